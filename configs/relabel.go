package configs

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// relabel is one step of a scrape's relabel_configs. Source: the manual of Prometheus, "relabel_config".
type relabel struct {
	action, separator, target, replacement string
	sources                                []string
	match                                  *regexp.Regexp // the whole text
	modulus                                uint64
}

// labelForm is what a label may be called.
var labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// relabelOf reads a step; the error says what is wrong with it.
func relabelOf(n *yaml.Node) (relabel, error) {
	text := func(key, otherwise string) string {
		if v := child(n, key); v != nil {
			return v.Value
		}
		return otherwise
	}
	r := relabel{
		action: strings.ToLower(text("action", "replace")), separator: text("separator", ";"),
		target: text("target_label", ""), replacement: text("replacement", "$1"), sources: scalars(child(n, "source_labels")),
	}
	actions := []string{"replace", "keep", "drop", "keepequal", "dropequal", "lowercase", "uppercase", "hashmod", "labelmap", "labeldrop", "labelkeep"}
	if !slices.Contains(actions, r.action) {
		return r, fmt.Errorf("got %q, want the action %s", r.action, oneOf(actions))
	}
	var err error
	if r.match, err = regexp.Compile("^(?s:" + text("regex", "(.*)") + ")$"); err != nil {
		return r, fmt.Errorf("got %q, want a regular expression (RE2 syntax)", text("regex", ""))
	}
	if m := text("modulus", ""); m != "" || r.action == "hashmod" {
		if r.modulus, err = strconv.ParseUint(m, 10, 64); err != nil || r.modulus == 0 {
			return r, fmt.Errorf("got %q, want a modulus above 0", m)
		}
	}
	return r, nil
}

// apply changes labels in place; it reports false where the target is dropped.
func (r relabel) apply(labels map[string]string) bool {
	values := make([]string, len(r.sources))
	for i, name := range r.sources {
		values[i] = labels[name]
	}
	joined := strings.Join(values, r.separator)
	switch r.action {
	case "keep":
		return r.match.MatchString(joined)
	case "drop":
		return !r.match.MatchString(joined)
	case "keepequal":
		return labels[r.target] == joined
	case "dropequal":
		return labels[r.target] != joined
	case "lowercase":
		setLabel(labels, r.target, strings.ToLower(joined))
	case "uppercase":
		setLabel(labels, r.target, strings.ToUpper(joined))
	case "hashmod":
		sum := md5.Sum([]byte(joined))
		setLabel(labels, r.target, strconv.FormatUint(binary.BigEndian.Uint64(sum[8:])%r.modulus, 10))
	case "labelmap", "labeldrop", "labelkeep":
		r.names(labels)
	default:
		r.replace(labels, joined)
	}
	return true
}

// replace sets the target label to the replacement with the groups of the match in it; an empty one takes the label away.
func (r relabel) replace(labels map[string]string, joined string) {
	at := r.match.FindStringSubmatchIndex(joined)
	if at == nil {
		return
	}
	name := string(r.match.ExpandString(nil, r.target, joined, at))
	if labelForm.MatchString(name) {
		setLabel(labels, name, string(r.match.ExpandString(nil, r.replacement, joined, at)))
	}
}

// names is for the actions about the labels' names.
func (r relabel) names(labels map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		matched := r.match.MatchString(name)
		switch {
		case r.action == "labelmap" && matched:
			setLabel(labels, r.match.ReplaceAllString(name, r.replacement), labels[name])
		case r.action == "labeldrop" && matched, r.action == "labelkeep" && !matched:
			delete(labels, name)
		}
	}
}

func setLabel(labels map[string]string, name, value string) {
	if value == "" {
		delete(labels, name)
	} else {
		labels[name] = value
	}
}

// child returns the value of a key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// scalars are the scalars of a list, or the only one.
func scalars(n *yaml.Node) []string {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	}
	var list []string
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			list = append(list, c.Value)
		}
	}
	return list
}
