// Package document makes the paper: PDF through gofpdf, QR codes through go-qrcode. It knows layouts, fonts and signatures over QR texts; not the store, not HTTP.
package document

import (
	"time"

	"xueji/server/registry"
)

// Sheet data are plain values: the caller masks what must be masked before it comes here.

// Cover is the 封面 of an archive on its way.
type Cover struct {
	ArchiveNo                string
	Copy, Copies             int
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
}

// Receipt is the 回执 that the receiver sends back.
type Receipt struct {
	Cover
	ReceivedOn registry.Date
	Receiver   string
	Rows       []registry.ArchiveItem
	Missing    []int
}

// CaseStep and CaseReceipt: what a family takes home from the kiosk (80 mm roll or A5) or the console.
type CaseStep struct {
	Party, Unit string
	DueOn       registry.Date
	Unsure      bool
	DoneOn      registry.Date
}

// CaseReceipt carries a case number and dates, no numbers of persons.
type CaseReceipt struct {
	Title      string // 转学受理回执
	CaseNo     registry.CaseNo
	NameMasked string
	From, To   string
	At         time.Time
	Steps      []CaseStep
	Note       string // e.g. that the line is down and dates follow
	QR         string
	Kiosk      string
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

// Maker makes papers. It is safe for concurrent use; fonts are read once.
//
//	func NewMaker(Options) (*Maker, error)
//	func (m *Maker) Archive(c Cover, s Slip) ([]byte, error)     封面 + 转递单
//	func (m *Maker) ArchiveReceipt(r Receipt) ([]byte, error)
//	func (m *Maker) CaseReceipt(r CaseReceipt) ([]byte, error)
//	func (m *Maker) Faces(f []Face) ([]byte, error)
//	func (m *Maker) Covers(c []Cover) ([]byte, error)            a batch in one PDF
//
// QR texts: func ArchiveQR(archiveNo string, inventory []registry.ArchiveItem, sign func([]byte) []byte) string — "XJA1." no "." base64url signature over
// the archive number and the inventory's digest; ParseArchiveQR is its inverse.
