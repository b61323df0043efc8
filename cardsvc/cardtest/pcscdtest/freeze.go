package pcscdtest

import "syscall"

// Freeze stops the daemon in its tracks, as a machine's sleep does: it keeps its sockets and answers nothing. Thaw wakes it.
func (d *Daemon) Freeze() { d.signal(syscall.SIGSTOP) }

// Thaw lets a frozen daemon run on. A frozen daemon that is killed needs none.
func (d *Daemon) Thaw() { d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(s syscall.Signal) {
	d.tb.Helper()
	d.mu.Lock()
	p := d.proc
	d.mu.Unlock()
	if p == nil {
		d.tb.Fatal("pcscdtest: pcscd is down")
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		d.tb.Fatalf("pcscdtest: %v", err)
	}
}
