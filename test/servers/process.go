package servers

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
)

// process is a child that the kernel ends with us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // valid then
}

// spawn starts cmd and keeps waiting for it. The death signal hangs on the thread that forked, not on the process, so the
// goroutine that forks keeps its thread until the child is gone.
func spawn(cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// run runs a command to its end; its output comes with the error.
func run(cmd *exec.Cmd) error {
	out, err := os.CreateTemp("", "godwit-out-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	p, err := spawn(cmd)
	if err != nil {
		return err
	}
	<-p.done
	if p.err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%w: %s", p.err, tail(string(text), 2000))
	}
	return nil
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// owner is the user that a server runs as. Root does not do: PostgreSQL refuses it, and MySQL would like not to.
type owner struct{ uid, gid int }

// serverOwner is ourselves, or for root the named user, or nobody.
func serverOwner(names ...string) (owner, error) {
	if os.Getuid() != 0 {
		return owner{os.Getuid(), os.Getgid()}, nil
	}
	for _, name := range append(names, "nobody") {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return owner{uid, gid}, nil
	}
	return owner{}, fmt.Errorf("no user to run a server as")
}

// attributes let a child run as the owner, inside the folder root where that is not empty. Root may do that as it is; anybody
// else gets a user namespace in which he keeps his own id, for the one capability to call chroot.
func (o owner) attributes(root string) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Chroot: root}
	if os.Getuid() == 0 {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid), NoSetGroups: false}
		return a
	}
	if root != "" {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: o.uid, HostID: o.uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: o.gid, HostID: o.gid, Size: 1}}
	}
	return a
}
