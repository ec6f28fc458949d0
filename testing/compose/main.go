// Loads a Compose project as `docker compose config` does, with the library that Docker's own
// program is built on, and prints it as JSON.
//
//	go run . [--env-file FILE] [-f FILE]… FOLDER
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/cli"
)

type list []string

func (l *list) String() string         { return fmt.Sprint(*l) }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func main() {
	var envFiles, files list
	flag.Var(&envFiles, "env-file", "read variables from this file instead of .env")
	flag.Var(&files, "f", "a Compose file, instead of compose.yaml")
	flag.Parse()
	if err := load(flag.Arg(0), envFiles, files); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The options in the order in which Docker's own program gives them:
// https://github.com/docker/compose/blob/v2.23.3/cmd/compose/compose.go
func load(folder string, envFiles, files []string) error {
	if err := os.Chdir(folder); err != nil {
		return err
	}
	options, err := cli.NewProjectOptions(
		files,
		cli.WithOsEnv,
		cli.WithEnvFiles(envFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
	)
	if err != nil {
		return err
	}
	project, err := cli.ProjectFromOptions(options)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}
