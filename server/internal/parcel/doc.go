// Package parcel is the form in which one pupil's electronic archive leaves the register (Arts 7–9, 25): a ZIP whose manifest names every file with its SHA-256 and is
// signed by the register, so that whoever has it can tell what was altered, removed or put in.
//
//	manifest.json   what the parcel is, of what, for whom, and every other file with its digest
//	manifest.sig    {"alg","key","signature"}: Ed25519 over the label and the bytes of manifest.json
//	…               the files
//
// It imports neither the store nor the service: readers of files are handed in, one is open at a time, and nothing is held whole but the manifest.
package parcel
