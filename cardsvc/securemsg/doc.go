// Package securemsg holds what a card dialect needs of cryptography: ciphers by name, paddings, MACs, key diversification, and secrets that cannot print. A firmware
// profile names what is here; nothing here knows a profile, a file or a command.
//
// It is pure: no os, no net, no clock, no randomness of its own. It must not import applet, cardsim or a profile.
package securemsg
