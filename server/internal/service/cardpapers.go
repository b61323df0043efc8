package service

import (
	"context"

	"xueji/server/document"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// CardLabels prints card faces on A4 label sheets, ten to a page: CardFace for schools without a card printer.
func (s *Service) CardLabels(ctx context.Context, who Staff, uids []registry.UID) ([]byte, error) {
	faces, err := s.faces(ctx, who, uids)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Labels(faces)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.printed(ctx, who, "card_labels", uids)
}

// DeliverySlip is what a class signs for its cards (grade 0 and class "": every class of the school, each on its own pages). Cards that were signed for, and lost ones, are
// not on it. CodeWrongState when nothing waits to be handed out.
func (s *Service) DeliverySlip(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]byte, error) {
	if err := s.mayDeliver(who, school); err != nil {
		return nil, err
	}
	waiting, err := s.waitingCards(ctx, school, grade, class)
	if err != nil {
		return nil, err
	}
	var slips []document.DeliverySlip
	for _, row := range waiting {
		if !row.Card.State.Good() {
			continue
		}
		title := classTitle(row.Summary)
		if n := len(slips); n == 0 || slips[n-1].Class != title {
			slips = append(slips, document.DeliverySlip{School: s.dir.Load().Name(school), SchoolCode: string(school), Class: title, Handler: who.Name, PrintedOn: s.Today()})
		}
		d := document.DeliveryRow{Name: row.Name, CardNo: row.Card.CardNo}
		if row.Card.Kind == kindReplacement {
			d.Replaces = registry.CardReasonTitle(row.Card.Reason)
		}
		last := &slips[len(slips)-1]
		last.Rows = append(last.Rows, d)
	}
	if len(slips) == 0 {
		return nil, fail(registry.CodeWrongState, "", map[string]string{"why": "card", "card": "none"})
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	b, err := s.papers.DeliverySlips(slips)
	if err != nil {
		return nil, internal(err)
	}
	var uids []registry.UID
	for _, row := range waiting {
		uids = append(uids, row.UID)
	}
	return b, s.printed(ctx, who, "delivery_slip", uids)
}

func classTitle(s store.Summary) string { return registry.GradeTitle(s.Grade) + " " + s.Class }
