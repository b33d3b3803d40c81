package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/uptally/uptally/configs"
)

// manifest is what the tests read of Kubernetes' objects.
type manifest struct {
	APIVersion, Kind string
	Metadata         struct{ Name, Namespace string }
	Data             map[string]string
	Spec             struct {
		Replicas int
		Strategy struct{ Type string }
		Template struct{ Spec pod }
	}
}

type pod struct {
	AutomountServiceAccountToken  *bool
	TerminationGracePeriodSeconds int
	SecurityContext               struct {
		RunAsNonRoot                   bool
		RunAsUser, RunAsGroup, FSGroup int
		FSGroupChangePolicy            string
		SeccompProfile                 struct{ Type string }
		Sysctls                        []struct{ Name, Value string }
	}
	InitContainers, Containers []podContainer
	Volumes                    []struct{ Name string }
}

type podContainer struct {
	Name            string
	Args            []string
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
	VolumeMounts  []struct{ Name, MountPath string }
	LivenessProbe struct{ HTTPGet struct{ Path, Port string } }
	Ports         []struct {
		Name          string
		ContainerPort int
	}
}

// manifests reads the documents of a file by their kind. Their keys are JSON's.
func manifests(t *testing.T, file string) map[string]manifest {
	t.Helper()
	all := map[string]manifest{}
	for text := range strings.SplitSeq(fileText(t, file), "\n---\n") {
		var tree any
		if err := yaml.Load([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&m); err != nil {
			t.Fatal(err)
		}
		all[m.APIVersion+" "+m.Kind] = m
	}
	return all
}

// The manifest has the objects that an agent needs, its pod may do next to nothing, its commands are this program's, and its
// configuration is sound.
func TestKubernetes(t *testing.T) {
	all := manifests(t, deploy+"kubernetes/agent.yml")
	for _, kind := range []string{"v1 Namespace", "v1 ConfigMap", "v1 PersistentVolumeClaim", "apps/v1 Deployment"} {
		if _, found := all[kind]; !found || len(all) != 4 {
			t.Fatalf("want %s, got %d objects", kind, len(all))
		}
	}
	d := all["apps/v1 Deployment"].Spec
	p, s := d.Template.Spec, d.Template.Spec.SecurityContext
	if d.Replicas != 1 || d.Strategy.Type != "Recreate" {
		t.Errorf("got %d replicas and strategy %q: two processes of one identity contradict each other", d.Replicas, d.Strategy.Type)
	}
	if !s.RunAsNonRoot || s.RunAsUser != 65532 || s.RunAsGroup != 65532 || s.FSGroup != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("got %+v, want an ordinary user and the default filter of system calls", s)
	}
	if s.FSGroupChangePolicy != "OnRootMismatch" {
		t.Errorf("got fsGroupChangePolicy %q: Always opens identity.json to the group, and the agent does not start", s.FSGroupChangePolicy)
	}
	if len(s.Sysctls) != 1 || s.Sysctls[0].Name != "net.ipv4.ping_group_range" || s.Sysctls[0].Value != "65532 65532" {
		t.Errorf("got sysctls %v, want the right to ping", s.Sysctls)
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken || time.Duration(p.TerminationGracePeriodSeconds)*time.Second <= stopBound {
		t.Errorf("got %+v, want no token of the cluster, and more than %v to stop", p, stopBound)
	}
	config := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(config, []byte(all["v1 ConfigMap"].Data["agent.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.LoadAgent(config)
	if err != nil {
		t.Fatalf("agent.yaml: %v", err)
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		x := c.SecurityContext
		if x.AllowPrivilegeEscalation == nil || *x.AllowPrivilegeEscalation || !x.ReadOnlyRootFilesystem || !slices.Equal(x.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: got %+v, want no way to more rights, a read-only root and no capability", c.Name, x)
		}
		wantCommand(t, "kubernetes, "+c.Name, c.Args)
		if c.Args[0] == "enrol" && !slices.Contains(c.Args, cfg.Server) {
			t.Errorf("%s: got %v, want the server of agent.yaml, %s", c.Name, c.Args, cfg.Server)
		}
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(p.Volumes, func(v struct{ Name string }) bool { return v.Name == m.Name }) {
				t.Errorf("%s: got no volume %q", c.Name, m.Name)
			}
		}
		if !slices.ContainsFunc(c.VolumeMounts, func(m struct{ Name, MountPath string }) bool { return m.MountPath == cfg.Data }) {
			t.Errorf("%s: want a volume at %s, where the agent's data is", c.Name, cfg.Data)
		}
	}
	if a := p.Containers[0]; a.LivenessProbe.HTTPGet.Path != "/healthz" || len(a.Ports) != 1 || !strings.HasSuffix(cfg.Listen, ":8080") || a.Ports[0].ContainerPort != 8080 {
		t.Errorf("got %+v and listen %q, want the probe where the agent answers", a, cfg.Listen)
	}
}
