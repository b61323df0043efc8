// Package gate says what a kiosk may still do. Judge is a pure function over measurements, asked at the start and every minute: each finding names what is
// wrong and which of the kiosk's goals it stops; a finding that stops nothing is a warning for the school. The words for the family are in the kiosk's
// catalogue (gate.<key>), those for the school, with who mends it and how, in the console's (kiosks.f.<key>).
//
// It must not read a clock, a file or the network: measuring is package app's.
package gate
