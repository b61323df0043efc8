// Package cardsim is the project's own software card: an ISO/IEC 7816-4 and -9 file system as strict as a real card's, in the dialect of the profile
// xueji-soft. It stands in process as a Transmitter, persists in a card folder that several programs may share, and lies on vpcd's virtual reader for a
// real pcscd. It can be torn out after any command and within any write, at any byte, and can be made to answer wrongly.
//
// It is ours, so it proves our reading of the standards and no more; the judge from outside is vicc (profile vicc-iso7816). It must not import server, issuer,
// kiosk or pcsc.
package cardsim
