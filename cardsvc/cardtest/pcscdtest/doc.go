// Package pcscdtest runs the real PC/SC daemon with the virtual reader driver vpcd for tests: no hardware, nothing of the stack faked but the plastic.
//
// Each daemon lives in mount and network namespaces of its own: its socket is a file in the test's folder (handed to libpcsclite by PCSCLITE_CSOCK_NAME, for this
// process and its children), and vpcd's ports, which would listen on every interface, exist only inside. So any number of test binaries run side by side, beside a
// pcscd of the machine too, and nothing listens to the network. It needs root (or CAP_SYS_ADMIN), pcscd, vsmartcard-vpcd, util-linux and iproute2, and for
// StartVICC vsmartcard-vpicc and python3-pycryptodome; a test without them fails, it does not skip.
//
// libpcsclite reads the socket's name once in a process: one process has one daemon at a time, always at the same path. Programs
// that a test starts may each have a daemon of their own: StartApart.
//
// It must not import cardsvc's own programs: cards are handed to it through the small interface Card.
package pcscdtest
