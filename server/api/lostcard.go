package api

import (
	"context"
	"net/http"

	"xueji/server/registry"
)

// PupilsRequest looks for a child of the kiosk's own school whose card is not at hand. Token is a StaffSession's.
type PupilsRequest struct {
	Token string        `json:"token"`
	Birth registry.Date `json:"birth"`
	Tail  string        `json:"tail"` // the last four characters of the child's identity document
}

// PupilsReply lists who fits, at most MaxPupils.
type PupilsReply struct {
	Pupils []PupilRow `json:"pupils"`
}

// MaxPupils is how many pupils a PupilsReply names at most.
const MaxPupils = 5

// PupilRow tells one child from another, and no more. Name is masked.
type PupilRow struct {
	UID    registry.UID `json:"uid"`
	Name   string       `json:"name"`
	Grade  int          `json:"grade"`
	Class  string       `json:"class"`
	CardNo string       `json:"card_no,omitempty"` // the card that the pupil holds; "" none
	Lost   bool         `json:"lost,omitempty"`    // it was reported lost
}

// LostRequest reports a pupil's card lost: it is good nowhere from the reply on. Reason is one of registry.CardReasons(registry.CardLose).
type LostRequest struct {
	Token  string       `json:"token"`
	UID    registry.UID `json:"uid"`
	CardNo string       `json:"card_no"`
	Reason string       `json:"reason"`
}

// FoundRequest says that a card which was reported lost was found again: it lies on the reader.
type FoundRequest struct {
	Token string    `json:"token"`
	Card  CardProof `json:"card"`
}

// CardMoved confirms.
type CardMoved struct {
	CardNo string `json:"card_no"`
}

// Pupils looks for a child of the kiosk's own school.
func (c *DeviceClient) Pupils(ctx context.Context, r PupilsRequest) (out PupilsReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathPupils, r, &out)
	return out, err
}

// Lost reports a card lost.
func (c *DeviceClient) Lost(ctx context.Context, r LostRequest) (out CardMoved, err error) {
	err = c.t.do(ctx, http.MethodPost, PathLost, r, &out)
	return out, err
}

// Found takes a report back.
func (c *DeviceClient) Found(ctx context.Context, r FoundRequest) (out CardMoved, err error) {
	err = c.t.do(ctx, http.MethodPost, PathFound, r, &out)
	return out, err
}
