// Package fmcos is the project's own software FMCOS 2.0 chip (FM1208 and its kin): directories, key files, security states, error counters, external and internal
// authentication, line protection, and a power that may fail within a write. No other software FMCOS exists to compare it with: it is held to the published vectors and
// tables of the manual, and what those leave open is decided here and marked "assumed". A real chip is right where it differs.
//
// One published vector is not among them: the manual's line protection example ends in A82A8CEB, and its key, challenge and data are not public. That MAC is held to
// ISO/IEC 9797-1 (algorithm 3 for 3DES, 1 for SM4) and to the command layout of the manual instead.
//
// It knows binary files; record files, purses and PINs it refuses. It must not import applet or a profile.
package fmcos
