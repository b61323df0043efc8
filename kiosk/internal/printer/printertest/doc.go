// Package printertest is what printing is tested against: the real CUPS in a folder of its own, and behind it a network printer that speaks IPP and can run
// out of paper, jam and be switched off. Debian's simulator wants a name service on the machine, so the device is ours; CUPS's own backend talks to it.
package printertest
