package cardsim

import (
	"net"
	"syscall"
)

// quickAck asks the kernel to acknowledge at once; it forgets after each read. A kernel that will not is only slower.
func quickAck(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
