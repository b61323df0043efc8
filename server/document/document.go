// Package document makes the paper: PDF through gofpdf, QR codes through go-qrcode. It owns layouts, the embedding of fonts and the text of the archive's code.
// It must not import the store, the service or HTTP; what must be masked is masked before it comes here.
//
// gofpdf keeps pages, lines and pictures. Its own text stops at U+FFFF and parses a whole font for each document, so text goes another way: glyph outlines are
// read once from the Noto CJK collections (PostScript outlines, which gofpdf cannot embed), turned into TrueType, kept, and each document gets subsets of just
// the glyphs it uses, handed to gofpdf as ready objects with a map back to Unicode of every plane.
package document

import (
	"time"

	"xueji/server/registry"
)

// Sheet data are plain values: the caller masks what must be masked before it comes here.

// Cover is the 封面 of an archive on its way.
type Cover struct {
	ArchiveNo                string
	Copy, Copies             int // Archive draws all Copies behind one another when Copy is 0
	Name, Sex                string
	Birth                    registry.Date
	NumberMasked, Alt        string
	School, SchoolCode       string
	ToSchool, ToCode         string
	EnrolledOn, LeftOn       registry.Date
	Volumes, Items, Pages    int
	CaseNo                   registry.CaseNo
	DoneOn, DueOn, PrintedOn registry.Date
	QR                       string // ArchiveQR text
}

// Slip is the 转递单 with the inventory.
type Slip struct {
	Cover
	Contact, Phone string // sender's
	Address        string // receiver's
	Rows           []registry.ArchiveItem
	Handler        string
	SentOn         registry.Date
	Carrier        string
}

// Receipt is the 回执 that the receiver sends back.
type Receipt struct {
	Cover
	ReceivedOn registry.Date
	Receiver   string
	Rows       []registry.ArchiveItem
	Missing    []int
	Print      int // its nth print, said on the paper from the second on
}

// CaseStep and CaseReceipt: what a family takes home from the kiosk (80 mm roll or A5) or the console.
type CaseStep struct {
	Party, Unit string
	DueOn       registry.Date
	Latest      registry.Date // no later than when the turn ends, while it has not come
	Unsure      bool
	DoneOn      registry.Date
}

// CaseReceipt carries a case number and dates, no numbers of persons.
type CaseReceipt struct {
	Title      string // 转学受理回执
	NoTitle    string // what CaseNo is; "": 业务编号
	CaseNo     registry.CaseNo
	NameMasked string
	From, To   string
	At         time.Time
	Steps      []CaseStep
	Note       string // e.g. that the line is down and dates follow
	QR         string
	Kiosk      string
	Print      int // its nth print, said on the paper from the second on
}

// Face is a CR80 card face.
type Face struct {
	School, Name string
	Photo        []byte // JPEG, may be nil: a drawn silhouette
	CardNo       string
	ValidUntil   registry.Date
	QR           string // opaque
	Class        string
}
