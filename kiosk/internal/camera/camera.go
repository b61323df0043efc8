package camera

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of a frame, in pixels a side, and of what a code may say, in bytes.
const (
	MinSide  = 64
	MaxSide  = 1024
	MaxFrame = head + MaxSide*MaxSide
	MaxText  = 3000
	head     = 4
)

// ErrFrame: the bytes are no frame.
var ErrFrame = errors.New("camera: not a frame: want width and height (two bytes each, big-endian, 64 to 1024) and one byte a pixel")

// Decode reads the code in a frame: width and height, two bytes each, big-endian, then the grey values row by row. text is "" when no code can be read in it.
// ErrFrame otherwise.
func Decode(frame []byte) (text string, err error) {
	if len(frame) < head {
		return "", ErrFrame
	}
	w, h := int(binary.BigEndian.Uint16(frame)), int(binary.BigEndian.Uint16(frame[2:]))
	if w < MinSide || w > MaxSide || h < MinSide || h > MaxSide || len(frame) != head+w*h {
		return "", ErrFrame
	}
	// What a picture holds is anybody's: a fault of the library on it is a picture without a code.
	defer func() {
		if p := recover(); p != nil {
			text, err = "", nil
		}
	}()
	src, err := gozxing.NewPlanarYUVLuminanceSource(frame[head:], w, h, 0, 0, w, h, false)
	if err != nil {
		return "", fmt.Errorf("camera: %w", err)
	}
	bitmap, err := gozxing.NewBinaryBitmap(gozxing.NewHybridBinarizer(src))
	if err != nil {
		return "", fmt.Errorf("camera: %w", err)
	}
	r, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil || len(r.GetText()) > MaxText {
		return "", nil
	}
	return r.GetText(), nil
}
