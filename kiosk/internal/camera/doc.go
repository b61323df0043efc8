// Package camera finds the QR code in one picture of the machine's camera, where the browser cannot do it itself (Chromium on Linux has no barcode reader).
//
// A picture is a square or oblong of grey values and nothing else, so that no image format has to be trusted. It is held in memory for as long as it is looked
// at, never written and never logged. The package must not import os, net/http, the desk or the web.
package camera
