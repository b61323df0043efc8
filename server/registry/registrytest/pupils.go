package registrytest

import "xueji/server/registry"

// State is a named state of a pupil with the story that leads there.
type State struct {
	Name  string
	Reach func(s *Story) *Story
}

// States lists every state that the events of package registry can bring about, in the order of a life. Each begins with a new Story.
func States() []State {
	enrolled := func(s *Story) *Story { return s.Enrol(PrimaryA, Form(1)).AcceptAll() }
	held := func(s *Story) *Story { return enrolled(s).Build() }
	carded := func(s *Story) *Story { return held(s).Card() }
	last := func(s *Story) *Story {
		return s.Enrol(PrimaryA, FormOf("王小明", "2015-03-09", 21, 6)).AcceptAll().Build().Card()
	}
	graduated := func(s *Story) *Story { return last(s).Finish(registry.StandingGraduated).AcceptAll() }
	abroad := func(s *Story) *Story { return carded(s).GoAbroad() }
	migrant := func(s *Story) *Story {
		f := Form(1)
		f[registry.FMigrant], f[registry.FHukou] = "1", "320509000000"
		return s.Enrol(PrimaryA, f).AcceptAll().Build().DropOut()
	}
	arranged := func(s *Story) *Story { return carded(s).Arrange(SpecialA, registry.ModeSpecial).AcceptAll() }
	doubted := func(s *Story) *Story { return carded(s).Doubt(registry.ProblemDoubleID) }
	called := func(s *Story) *Story { return s.Over().CallOver(PrimaryA) }
	auth := func(s *Story, called func(*Story) *Story) *Story {
		return called(s).Accept().Accept().FarTurn(registry.PartySender, PrimaryC).FarAccept().FarTurn(registry.PartySenderAuth, CountyC)
	}
	calledUp := func(s *Story) *Story { return s.Over().CallUp(JuniorA) }
	askedUp := func(s *Story) *Story { return graduated(s.Over()).FarRequestUp() }
	asked := func(s *Story) *Story { return carded(s.Over()).FarRequest() }
	released := func(s *Story) *Story { return asked(s).Accept().Accept() }
	return []State{
		{"unknown", func(s *Story) *Story { return s }},
		{"enrol/school", func(s *Story) *Story { return s.Enrol(PrimaryA, Form(1)) }},
		{"enrol/authority", func(s *Story) *Story { return s.Enrol(PrimaryA, Form(1)).Accept() }},
		{"enrol/refused", func(s *Story) *Story { return s.Enrol(PrimaryA, Form(1)).Accept().Refuse(registry.RefuseIdentity) }},
		{"enrolled", enrolled},
		{"enrolled+archive", held},
		{"enrolled+archive+card", carded},
		{"card/personalised", func(s *Story) *Story { return held(s).Bind(registry.CardPersonalised) }},
		{"card/suspended", func(s *Story) *Story { return carded(s).Change(registry.CardLose, "lost") }},
		{"card/damaged", func(s *Story) *Story { return carded(s).Change(registry.CardDamage, "worn") }},
		{"transfer/receiver", func(s *Story) *Story { return carded(s).Transfer(NineYearB) }},
		{"transfer/receiver_auth", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Accept() }},
		{"transfer/sender", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Accept().Accept() }},
		{"transfer/sender_auth", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Accept().Accept().Accept() }},
		{"transfer/common_auth", func(s *Story) *Story { return carded(s).Transfer(PrimaryA2).Accept().Accept() }},
		{"transfer/refused", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Refuse(registry.RefuseNoPlace) }},
		{"moved/unbuilt", func(s *Story) *Story { return enrolled(s).Transfer(NineYearB).AcceptAll() }},
		{"moved/called", func(s *Story) *Story { return carded(s).Transfer(NineYearB).AcceptAll() }},
		{"moved/transit", func(s *Story) *Story { return carded(s).Transfer(NineYearB).AcceptAll().Send() }},
		{"moved/received", func(s *Story) *Story { return carded(s).Transfer(NineYearB).AcceptAll().Send().Receive() }},
		{"moved/missing", func(s *Story) *Story { return carded(s).Transfer(NineYearB).AcceptAll().Send().Receive(2, 3) }},
		{"suspend/school", func(s *Story) *Story { return carded(s).Suspend() }},
		{"suspend/authority", func(s *Story) *Story { return carded(s).Suspend().Accept() }},
		{"suspended", func(s *Story) *Story { return carded(s).Suspend().AcceptAll() }},
		{"returned", func(s *Story) *Story { return carded(s).Suspend().AcceptAll().Wait(120).Return() }},
		{"extend/school", func(s *Story) *Story { return carded(s).Suspend().AcceptAll().Extend() }},
		{"extended", func(s *Story) *Story { return carded(s).Suspend().AcceptAll().Extend().AcceptAll() }},
		{"no document/city", func(s *Story) *Story { return s.Enrol(PrimaryA, WithoutID(Form(1))).Accept().Accept() }},
		{"no document/province", func(s *Story) *Story { return s.Enrol(PrimaryA, WithoutID(Form(1))).Accept().Accept().Accept() }},
		{"enrolled J", func(s *Story) *Story { return s.Enrol(PrimaryA, WithoutID(Form(1))).AcceptAll().Build() }},
		{"G from J", func(s *Story) *Story {
			return s.Enrol(PrimaryA, WithoutID(Form(1))).AcceptAll().Build().Correct(registry.FIDType, "1", registry.FIDNumber, Form(1)[registry.FIDNumber]).AcceptAll().GiveNumber()
		}},
		{"correct/school", func(s *Story) *Story { return carded(s).Rename() }},
		{"correct/authority", func(s *Story) *Story { return carded(s).Rename().Accept() }},
		{"corrected", func(s *Story) *Story { return carded(s).Rename().AcceptAll() }},
		{"promoted", func(s *Story) *Story { return carded(s).Promote() }},
		{"last grade", last},
		{"finish/authority", func(s *Story) *Story { return last(s).Finish(registry.StandingGraduated).Accept() }},
		{"graduated", graduated},
		{"graduated+kept", func(s *Story) *Story { return graduated(s).Keep() }},
		{"advance/receiver", func(s *Story) *Story { return graduated(s).Advance(JuniorA) }},
		{"advanced", func(s *Story) *Story { return graduated(s).Keep().Advance(JuniorA).AcceptAll() }},
		{"advanced unfinished", func(s *Story) *Story { return last(s).Advance(NineYearB).AcceptAll() }},
		{"abroad", abroad},
		{"home/sender", func(s *Story) *Story { return abroad(s).Wait(200).ComeHome(NineYearB).Accept().Accept() }},
		{"home", func(s *Story) *Story { return abroad(s).Wait(200).ComeHome(PrimaryA) }},
		{"death/authority", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Death() }},
		{"deceased", func(s *Story) *Story { return carded(s).Death().Accept() }},
		{"absent", func(s *Story) *Story { return carded(s).StayAway() }},
		{"absent/spoken", func(s *Story) *Story { return carded(s).StayAway().Speak() }},
		{"dropout", func(s *Story) *Story { return carded(s).DropOut() }},
		{"dropout/migrant", migrant},
		{"dropout/on its way", func(s *Story) *Story { return migrant(s).HandOver() }},
		{"dropout/handed over", func(s *Story) *Story { return migrant(s).HandOver().ReceiveAtHome() }},
		{"dropout/back", func(s *Story) *Story { return migrant(s).HandOver().ReceiveAtHome().ComeBack() }},
		{"arrange/study", func(s *Story) *Story { return carded(s).Arrange(SpecialA, registry.ModeSpecial).Accept() }},
		{"arranged", arranged},
		{"problem/school", doubted},
		{"problem/authority", func(s *Story) *Story { return doubted(s).Resolve(registry.WayEvidence) }},
		{"problem/sent back", func(s *Story) *Story { return doubted(s).Resolve(registry.WayEvidence).Refuse(registry.RefuseEvidence) }},
		{"erase/province", func(s *Story) *Story { return doubted(s).Resolve(registry.WayErase).Accept() }},
		{"erased", func(s *Story) *Story { return doubted(s).Resolve(registry.WayErase).AcceptAll() }},
		{"merged", func(s *Story) *Story { return carded(s).Merge(false) }},
		{"absorbing", func(s *Story) *Story { return carded(s).Merge(true) }},
		{"transfer/escalated", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Wait(40).Escalate() }},
		{"transfer/urged", func(s *Story) *Story { return carded(s).Transfer(NineYearB).Wait(40).Escalate().Urge() }},
		{"far/receiver", called},
		{"far/offered", func(s *Story) *Story {
			return graduated(s.Over()).Do(Registrar(PrimaryA), registry.OfferUp{Registry: There, To: JuniorC})
		}},
		{"far/by_offer", func(s *Story) *Story {
			f := Form(1)
			return s.Over().Do(Afar(PrimaryC), registry.CallOver{CaseNo: s.No(registry.CaseAdvance), Way: registry.CaseAdvance, Registry: There, Number: registry.Number("G" + f[registry.FIDNumber]), Name: f[registry.FName],
				Birth: registry.Date(f[registry.FBirth]), To: JuniorA, ToGrade: 7, Offer: "320000/offer-a"})
		}},
		{"far/card", func(s *Story) *Story { return s.Over().CallByCard(PrimaryA) }},
		{"far/card_named", func(s *Story) *Story { return s.Over().CallByCard(PrimaryA).NameFar() }},
		{"far/asked", func(s *Story) *Story { return called(s).Accept().Accept() }},
		{"far/sender", func(s *Story) *Story { return called(s).Accept().Accept().FarTurn(registry.PartySender, PrimaryC) }},
		{"far/sender_auth", func(s *Story) *Story { return auth(s, called) }},
		{"far/withdrawing", func(s *Story) *Story {
			return auth(s, called).Do(Registrar(PrimaryA), registry.Withdraw{CaseNo: s.P.Lock})
		}},
		{"far/came", func(s *Story) *Story { return auth(s, called).Continue() }},
		{"far/requested", asked},
		{"far/released", released},
		{"far/confirmed", func(s *Story) *Story { return released(s).FarReceipt() }},
		{"far/paper gone", func(s *Story) *Story { return released(s).FarReceipt().Send() }},
		{"far/up/receiver", calledUp},
		{"far/up/came", func(s *Story) *Story { return auth(s, calledUp).Continue(registry.StandingGraduated) }},
		{"far/up/requested", askedUp},
		{"far/up/released", func(s *Story) *Story { return askedUp(s).Accept().Accept() }},
		{"far/up/confirmed", func(s *Story) *Story { return askedUp(s).Accept().Accept().FarReceipt() }},
		{"moved/escalated", func(s *Story) *Story { return carded(s).Transfer(NineYearB).AcceptAll().Wait(60).Escalate() }},
	}
}

// In is the story of a named state; it panics on an unknown name or a story that the register refuses, which is a fault of the test.
func In(name string) *Story {
	for _, st := range States() {
		if st.Name == name {
			s := st.Reach(NewStory(1))
			if s.Err != nil {
				panic(name + ": " + s.Err.Error())
			}
			return s
		}
	}
	panic("registrytest: no state " + name)
}

// Pupil is the pupil in a named state.
func Pupil(name string) registry.Pupil { return In(name).P }
