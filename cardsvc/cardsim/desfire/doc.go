// Package desfire is a software MIFARE DESFire chip for cardsim: EV1, EV2 and EV3 as far as a student card asks of them, and there as strict as the real one. No
// software AES DESFire is to be had elsewhere, so this one is ours: it proves our reading of public data sheets and application notes and no more. What holds it down is
// securemsg's side of the conversation, which is held to recordings of real cards and to NXP's vectors, and shares with it only the block cipher and CMAC.
//
// It knows commands wrapped in ISO 7816 (90 INS 00 00 Lc data 00 → data 91xx) and chained by AF; the limits of a frame; applications with AES keys, key settings
// and versions; standard and backup files with commit and abort; access rights and communication modes; AA, 71 and 77 authentication; MACs and
// encipherment with their counters and chains; ChangeKey; UID, version, free memory, format. It differs from a chip as delivered in one thing: its card-level key is AES, not DES.
// Value, record and transaction-MAC files, ISO 7816 file commands, DES keys and delegated applications answer 911C, illegal command.
//
// A frame that did not arrive whole is not carried out; one that did is, whatever became of its answer. A standard file torn while it is programmed keeps a part
// of the new bytes, as its data sheet warns; what was not committed to a backup file is gone with the power.
//
// It must not import anything above securemsg.
package desfire
