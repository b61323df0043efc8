package api

import "net"

// ThisMachine reports whether host, a name or an address without a port, is this machine: what goes there may go in clear.
func ThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
