package configs

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// foreign rewrites the nodes of another program's file into the form that is read strictly here: what an alias stands for
// in its place, merges written out, and no key without a value. Each node keeps its line.
func (d *document) foreign() {
	if d.root == nil {
		return
	}
	x := expander{left: maxAliased}
	d.root = x.node(d.root)
	if x.left < 0 {
		d.add(d.root.Line, "", "", "aliases that stand for less than this file's do")
		d.root = nil
	}
}

// expander copies nodes; left is how many it may still make.
type expander struct{ left int }

func (x *expander) node(n *yaml.Node) *yaml.Node {
	x.left--
	if n.Kind == yaml.AliasNode && x.left >= 0 {
		return x.node(n.Alias)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	switch {
	case x.left < 0:
	case n.Kind == yaml.MappingNode:
		x.mapping(&c, n)
	default:
		for _, in := range n.Content {
			c.Content = append(c.Content, x.node(in))
		}
	}
	return &c
}

// mapping copies keys and values; those written in the mapping itself win over merged ones, and of these the first.
func (x *expander) mapping(to, from *yaml.Node) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		switch {
		case key.Tag == "!!merge":
			merged = append(merged, x.node(value))
		case !isNull(value):
			to.Content = append(to.Content, x.node(key), x.node(value))
		}
	}
	for _, m := range merged {
		sources := []*yaml.Node{m}
		if m.Kind == yaml.SequenceNode {
			sources = m.Content
		}
		for _, s := range sources {
			if s.Kind == yaml.MappingNode {
				to.Content = append(to.Content, missingIn(to, s)...)
			}
		}
	}
}

// missingIn returns the keys of from, with their values, that to does not have.
func missingIn(to, from *yaml.Node) []*yaml.Node {
	var more []*yaml.Node
	for i := 0; i+1 < len(from.Content); i += 2 {
		if !hasKey(to, from.Content[i].Value) {
			more = append(more, from.Content[i], from.Content[i+1])
		}
	}
	return slices.Clip(more)
}
