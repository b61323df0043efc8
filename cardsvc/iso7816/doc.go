// Package iso7816 is the common tongue of chip cards: command and response APDUs (ISO/IEC 7816-3 §12, 7816-4 §5), status words as errors that keep
// their number, and BER-TLV (7816-4 §5.2, Annex E) with bounds.
//
// It owns no card's dialect (that is firmware-profiles) and no file of the student card (that is applet). It is pure: it must not import os, net,
// log/slog or any other room, and never asks the clock. Every function that takes bytes from a card works in memory bounded by a constant.
package iso7816
