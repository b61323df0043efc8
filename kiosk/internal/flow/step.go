package flow

import (
	"slices"
	"time"
)

// Step moves the machine: same state, input, time and kiosk, same answer. Inputs that make no sense on the present screen change nothing.
func Step(s State, in Input, now time.Time, k Kiosk) (State, []Effect) {
	m := machine{State: s, now: now, k: k}
	m.handle(in)
	return m.State, m.effects
}

// machine is one step in progress.
type machine struct {
	State
	now     time.Time
	k       Kiosk
	effects []Effect
}

func (m *machine) do(e Effect) { m.effects = append(m.effects, e) }

// to shows another question; the seconds begin anew.
func (m *machine) to(s Screen) {
	m.Screen, m.Note, m.Touched = s, "", m.now
	m.Rev++
}

func (m *machine) wait(b Busy, limit time.Duration) { m.Busy, m.Until = b, m.now.Add(limit) }

func (m *machine) idle(b Busy) {
	if m.Busy == b {
		m.Busy, m.Until = BusyNone, time.Time{}
	}
}

// wipe ends the session: nothing of it is left in the state.
func (m *machine) wipe() {
	m.State = State{Epoch: m.Epoch + 1, Rev: m.Rev + 1, Screen: Home, Lang: Simplified, Touched: m.now, CardOn: m.CardOn}
	m.do(DoForget{})
}

func (m *machine) trouble(key string) {
	m.Busy, m.Until = BusyNone, time.Time{}
	m.to(Trouble)
	m.Trouble = key
}

func (m *machine) problem(verdict string) {
	m.Busy, m.Until = BusyNone, time.Time{}
	m.AwayAt, m.Swap = time.Time{}, false
	m.to(Problem)
	m.Problem = verdict
}

func (m *machine) handle(in Input) {
	switch in := in.(type) {
	case Press:
		if in.Rev == m.Rev && in.Of != nil {
			m.handle(in.Of)
		}
	case Reply:
		if in.Epoch == m.Epoch && in.Of != nil {
			m.result(in.Of)
		}
	case Tick:
		m.tick()
	case Insert, Bad, Remove:
		m.reader(in)
	case SetLang:
		if slices.Contains(Langs, in.Lang) {
			m.Lang, m.Touched = in.Lang, m.now
		}
	case Touch:
		m.Touched, m.Before.Seen = m.now, m.Screen == Restarted
	case Leave:
		m.leave()
	default:
		if m.AwayAt.IsZero() {
			m.Touched = m.now
			m.person(in)
		}
	}
}

// leave ends the session at a person's wish; what is durable stays durable, and a rewrite under way is not cut off.
func (m *machine) leave() {
	switch m.Screen {
	case Home:
		m.Lang, m.Touched = Simplified, m.now
	case Saving, Rewrite:
	case CardBack:
		m.Result.Card = "later"
		m.finish()
	default:
		m.wipe()
	}
}
