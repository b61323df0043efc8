package registrytest

import "xueji/server/registry"

// Registers of the exchange: of the province of counties A and B, and of the other one.
const (
	Here  = string(Province)
	There = string(OtherProvince)
)

// Province of a unit: the register that holds it.
func provinceOf(u registry.Unit) string {
	switch u {
	case PrimaryC, JuniorC, CountyC, OtherCity, OtherProvince:
		return There
	}
	return Here
}

// FarWorld is the small world as the register of a province knows it: the other province's units are remote.
func FarWorld(of string) *Directory {
	schools, offices := Schools(), Offices()
	for i := range schools {
		if r := provinceOf(schools[i].Code); r != of {
			schools[i].Remote = r
		}
	}
	for i := range offices {
		if r := provinceOf(offices[i].Code); r != of && offices[i].Code != Nation {
			offices[i].Remote = r
		}
	}
	return NewDirectory(schools, offices)
}

// Afar is the word of a unit that another register holds.
func Afar(u registry.Unit) registry.Actor {
	return registry.Actor{Account: "remote", Unit: u, Via: registry.ViaRemote(provinceOf(u))}
}

// Over puts the story into a register that knows another.
func (s *Story) Over() *Story { s.Env.Directory = FarWorld(Here); return s }

// CallOver opens a cross-province transfer to a school here, of a pupil of the other province.
func (s *Story) CallOver(to registry.Unit) *Story { return s.callOver(registry.CaseTransfer, to, 3) }

// CallByCard opens one with a card of the other province that lay on a kiosk's reader: nobody here knows yet whose it is.
func (s *Story) CallByCard(to registry.Unit) *Story {
	f := Form(1)
	return s.Do(Registrar(to), registry.CallOver{CaseNo: s.No(registry.CaseTransfer), Registry: There, Number: registry.Number("G" + f[registry.FIDNumber]), Birth: registry.Date(f[registry.FBirth]), To: to, ToGrade: 3,
		Reason: "随父母迁居", Guardian: "母亲", Record: []byte("record"), Card: &registry.CardShown{Level: 1, Vouched: true}})
}

// NameFar is the other province's word on whose card it is.
func (s *Story) NameFar() *Story {
	f := Form(1)
	return s.Do(Afar(OtherProvince), registry.NameFar{CaseNo: s.P.Lock, Name: f[registry.FName], Birth: registry.Date(f[registry.FBirth])})
}

// CallUp opens a cross-province 升学 to a school here.
func (s *Story) CallUp(to registry.Unit) *Story { return s.callOver(registry.CaseAdvance, to, 7) }

func (s *Story) callOver(way registry.CaseKind, to registry.Unit, grade int) *Story {
	f := Form(1)
	return s.Do(Registrar(to), registry.CallOver{CaseNo: s.No(way), Way: way, Registry: There, Number: registry.Number("G" + f[registry.FIDNumber]), Name: f[registry.FName],
		Birth: registry.Date(f[registry.FBirth]), To: to, ToGrade: grade, Reason: "随父母迁居", Guardian: "母亲"})
}

// FarTurn tells that the case lies with a party of the other province.
func (s *Story) FarTurn(p registry.Party, u registry.Unit) *Story {
	return s.Do(Afar(u), FarTurn(s.P, p, u))
}

// FarTurn is that word on a pupil's open case.
func FarTurn(p registry.Pupil, party registry.Party, u registry.Unit) registry.FarArrived {
	return registry.FarArrived{CaseNo: p.Lock, Far: "ZX-2026-0000-000900", Party: party, Unit: u, From: PrimaryC, At: Start.UTC(), DueOn: "2026-09-21"}
}

// FarAccept is the other province's sending school's word.
func (s *Story) FarAccept() *Story {
	return s.Do(Afar(PrimaryC), registry.DecideStep{CaseNo: s.P.Lock, Party: registry.PartySender, Decision: registry.DecisionAccept})
}

// Handover is what the other province hands over.
func Handover() registry.Handover {
	f := Form(1)
	return registry.Handover{Number: registry.Number("G" + f[registry.FIDNumber]), Form: f, Standing: registry.StandingEnrolled, Grade: 3, EnrolledOn: "2023-09-01", Items: Items(), Custodian: PrimaryC}
}

// Continue takes the released 学籍 over, of a pupil who is at school there or in an end of schooling.
func (s *Story) Continue(was ...registry.Standing) *Story {
	h := Handover()
	if len(was) > 0 {
		h.Standing = was[0]
	}
	return s.Do(Afar(CountyC), registry.Continue{CaseNo: s.P.Lock, Unit: CountyC, Handover: h})
}

// FarAsk is the other province's request for the pupil.
func FarAsk(no registry.CaseNo) registry.FarRequest {
	return registry.FarRequest{CaseNo: no, Registry: There, Far: "ZX-2026-0000-000901", To: PrimaryC, ToGrade: 3, Reason: "随父母迁居", Guardian: "母亲",
		Words: []registry.FarWord{{Party: registry.PartyReceiver, Unit: PrimaryC, At: Start.UTC()}, {Party: registry.PartyReceiverAuth, Unit: CountyC, At: Start.UTC()}}}
}

// FarRequest opens the case of a pupil that the other province asks for.
func (s *Story) FarRequest() *Story {
	return s.Do(Afar(PrimaryC), FarAsk(s.No(registry.CaseTransfer)))
}

// FarRequestUp opens the 升学 of a pupil that the other province asks for.
func (s *Story) FarRequestUp() *Story {
	e := FarAsk(s.No(registry.CaseAdvance))
	e.Way, e.To, e.ToGrade, e.Words[0].Unit = registry.CaseAdvance, JuniorC, s.P.Grade+1, JuniorC
	return s.Do(Afar(JuniorC), e)
}

// FarReceipt is the other province's 回执.
func (s *Story) FarReceipt() *Story {
	c := s.P.Cases[len(s.P.Cases)-1]
	return s.Do(Afar(c.To), registry.FarReceipt{CaseNo: c.No})
}
