// Package fmcos is the project's own software FMCOS 2.0 chip (FM1208 and its kin): directories, key files, security states, error counters, external and internal
// authentication, line protection, and a power that may fail within a write. No other software FMCOS exists to compare it with: it is held to the published vectors and
// tables of the manual, and what those leave open is decided here and marked "assumed". A real chip is right where it differs.
//
// It knows binary files; record files, purses and PINs it refuses. It must not import applet or a profile.
package fmcos
