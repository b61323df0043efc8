// Package cardsim is software cards: it gives a chip's Engine power, tears, faults and a place in a card folder that several programs may share, and lays it on
// vpcd's virtual reader for a real pcscd. A card can be torn out after any command and within one, at any byte, and can be made to answer wrongly.
//
// Its own Engine speaks the dialect of the profile xueji-soft: an ISO/IEC 7816-4 and -9 file system as strict as a real card's. Engines of real firmwares, for which no
// software card is to be had elsewhere, lie in packages below (desfire). All are ours, so they prove our reading of the standards and no more; the judges from outside are vicc
// and the published vectors. It must not import server, issuer, kiosk or pcsc.
package cardsim
