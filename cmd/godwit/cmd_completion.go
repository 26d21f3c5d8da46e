package main

import (
	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
)

func newCompletion(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Long: `Print a script that completes commands and flags.

bash:  godwit completion bash > /etc/bash_completion.d/godwit
zsh:   godwit completion zsh > "${fpath[1]}/_godwit"
fish:  godwit completion fish > ~/.config/fish/completions/godwit.fish`,
		Example:   `  source <(godwit completion bash)`,
		Args:      takes(1, 1, "SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE:      func(c *cobra.Command, args []string) error { return a.completion(c.Root(), args[0]) },
	}
	exits(c, exitOK, exitUsage)
	return c
}

func (a *app) completion(root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(a.Out, true)
	case "zsh":
		return root.GenZshCompletion(a.Out)
	case "fish":
		return root.GenFishCompletion(a.Out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(a.Out)
	}
	return godwit.Errorf(godwit.Invalid, "completion: no script for %q, only for bash, zsh, fish, powershell", shell)
}
