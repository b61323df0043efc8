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
