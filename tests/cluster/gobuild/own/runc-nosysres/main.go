// Command runc-nosysres runs runc without CAP_SYS_RESOURCE, for machines that do not have it: there, a privileged
// container cannot be given it, and a negative oom_score_adj cannot be set.
//
// It takes both out of the bundle's config.json (create, run) or of the process file (exec) and then becomes runc.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const missing = "CAP_SYS_RESOURCE"

type object = map[string]any

func main() {
	if err := edit(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runc-nosysres:", err)
		os.Exit(1)
	}
	runc, err := exec.LookPath("runc")
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "runc-nosysres:", err)
	os.Exit(1)
}

func edit(args []string) error {
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "run"):
		bundle := option(args, "--bundle", "-b")
		return rewrite(filepath.Join(bundle, "config.json"), func(config object) { strip(child(config, "process")) })
	case slices.Contains(args, "exec"):
		if file := option(args, "--process", "-p"); file != "" {
			return rewrite(file, strip)
		}
	}
	return nil
}

func option(args []string, names ...string) string {
	for i, arg := range args {
		for _, name := range names {
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

func rewrite(path string, change func(object)) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var content object
	if err := json.Unmarshal(data, &content); err != nil {
		return err
	}
	change(content)
	if data, err = json.Marshal(content); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func child(parent object, key string) object {
	found, _ := parent[key].(object)
	return found
}

func strip(process object) {
	for kind, set := range child(process, "capabilities") {
		held, _ := set.([]any)
		process["capabilities"].(object)[kind] = slices.DeleteFunc(held, func(name any) bool { return name == missing })
	}
	if score, ok := process["oomScoreAdj"].(float64); ok && score < 0 {
		delete(process, "oomScoreAdj")
	}
}
