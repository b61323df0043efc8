// Package upload judges what people file by what it holds, not by its name or the type it came with: JPEG, PNG and PDF, each whole, with nothing hung on to it, of a
// size in pixels that a later reader can bear, and without what runs, starts programs, carries other files or is locked.
//
// It decodes no picture and runs no PDF. It is pure: bytes in, the first thing that is wrong out.
package upload
