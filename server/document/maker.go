package document

// Maker makes papers. It is safe for concurrent use; font files are opened once, glyphs and codes are kept.
type Maker struct {
	fonts *typeset
	codes matrices
	stamp string
}

// NewMaker opens the fonts. A missing font is an error that names the Debian package to install.
func NewMaker(o Options) (*Maker, error) {
	t, err := openTypeset(o)
	if err != nil {
		return nil, err
	}
	return &Maker{fonts: t, stamp: o.Stamp}, nil
}
