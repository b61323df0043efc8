package service

import (
	"context"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// maxRun is how many names one issuing list holds.
const maxRun = 5000

// StartRun makes an issuing list of everybody in a school, a grade (0: all) or a class ("": all), who needs a card, in the order of classes and names.
func (s *Service) StartRun(ctx context.Context, who Staff, school registry.Unit, grade int, class string) (store.CardRun, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Issue); err != nil {
		return store.CardRun{}, err
	}
	if !sc.HasSchool(school) {
		return store.CardRun{}, registry.ErrNotFound
	}
	class = strings.TrimSpace(class)
	var names []registry.UID
	for len(names) < maxRun {
		rows, _, err := s.Search(ctx, who, store.Query{School: school, Grade: grade, Class: class, Standing: registry.StandingEnrolled, NoCard: true, Offset: len(names)})
		if err != nil {
			return store.CardRun{}, err
		}
		for _, r := range rows {
			names = append(names, r.UID)
		}
		if len(rows) == 0 {
			break
		}
	}
	if len(names) == 0 {
		return store.CardRun{}, fail(registry.CodeInvalid, "class", map[string]string{"why": "nobody"})
	}
	names = names[:min(len(names), maxRun)]
	r := store.CardRun{ID: "r-" + newID(), School: school, Grade: grade, Class: class, Unit: who.Unit, By: who.Actor("console"), CreatedAt: s.now().UTC()}
	if err := s.st.PutCardRun(ctx, r, names); err != nil {
		return store.CardRun{}, internal(err)
	}
	r.Total = len(names)
	return r, nil
}

// CardRuns lists the issuing lists in scope: open ones first, newest first.
func (s *Service) CardRuns(ctx context.Context, who Staff) ([]store.CardRun, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Issue); err != nil {
		return nil, err
	}
	out, err := s.st.CardRunsOf(ctx, sc.Schools(), sc.All(), 100)
	return out, internal(err)
}

// RunName is a name on an issuing list with its pupil, as far as the pupil still exists for who asks.
type RunName struct {
	store.CardItem
	store.Summary
}

// CardRun is one list with a page of its names; state "" for all.
func (s *Service) CardRun(ctx context.Context, who Staff, id, state string, limit, offset int) (store.CardRun, []RunName, error) {
	r, err := s.runOf(ctx, who, id)
	if err != nil {
		return store.CardRun{}, nil, err
	}
	items, err := s.st.CardItems(ctx, id, state, limit, offset)
	if err != nil {
		return store.CardRun{}, nil, internal(err)
	}
	names, err := s.named(ctx, who, items)
	return r, names, err
}

func (s *Service) runOf(ctx context.Context, who Staff, id string) (store.CardRun, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Issue); err != nil {
		return store.CardRun{}, err
	}
	r, err := s.st.CardRun(ctx, id)
	if err != nil {
		return store.CardRun{}, internal(err)
	}
	if !sc.HasSchool(r.School) {
		return store.CardRun{}, registry.ErrNotFound
	}
	return r, nil
}

func (s *Service) named(ctx context.Context, who Staff, items []store.CardItem) ([]RunName, error) {
	uids := make([]registry.UID, len(items))
	for i := range items {
		uids[i] = items[i].UID
	}
	rows, _, err := s.Search(ctx, who, store.Query{UIDs: uids})
	if err != nil {
		return nil, err
	}
	by := make(map[registry.UID]store.Summary, len(rows))
	for _, r := range rows {
		by[r.UID] = r
	}
	out := make([]RunName, len(items))
	for i := range items {
		out[i] = RunName{items[i], by[items[i].UID]}
	}
	return out, nil
}

// CloseRun ends a list: nobody draws from it any more. Who has no card yet stays on the list of those who need one.
func (s *Service) CloseRun(ctx context.Context, who Staff, id string) error {
	if _, err := s.runOf(ctx, who, id); err != nil {
		return err
	}
	return internal(s.st.CloseCardRun(ctx, id, s.now().UTC()))
}

// DrawRequest asks for the next name for a reader. Run names an issuing list; without it names come from a school's or class's list of who needs a card.
type DrawRequest struct {
	Run    string
	School registry.Unit
	Class  string
	Lane   string         // the station and reader, as the page names them; one name at a time is theirs
	Later  []registry.UID // put behind everybody else
}

// Drawn is the next name; UID "" when nobody is left for this reader. Left counts who still waits, those at other readers too.
type Drawn struct {
	store.Summary
	Left int
}

// Draw gives a reader the next name that no other reader, station or process has, and keeps it for them a while. Who got a card elsewhere or left the school
// meanwhile falls off the list.
func (s *Service) Draw(ctx context.Context, who Staff, r DrawRequest) (Drawn, error) {
	if err := s.scope(who).Check(access.Issue); err != nil {
		return Drawn{}, err
	}
	lane, err := laneOf(who, r.Lane)
	if err != nil || lane == "" {
		return Drawn{}, fail(registry.CodeInvalid, "lane", nil)
	}
	for {
		rows, left, gone, err := s.candidates(ctx, who, r)
		if err != nil {
			return Drawn{}, err
		}
		if len(gone) > 0 {
			if err := s.st.MarkCards(ctx, gone...); err != nil {
				return Drawn{}, internal(err)
			}
		}
		if len(rows) == 0 && len(gone) > 0 {
			continue // a whole page fell off: look at the next
		}
		slices.SortStableFunc(rows, func(a, b store.Summary) int { return slices.Index(r.Later, a.UID) - slices.Index(r.Later, b.UID) })
		uids := make([]registry.UID, len(rows))
		for i := range rows {
			uids[i] = rows[i].UID
		}
		now := s.now().UTC()
		uid, err := s.st.LeaseCard(ctx, uids, lane, who.Name, now, now.Add(laneLease))
		if isNotFound(err) {
			return Drawn{Left: left}, nil
		}
		if err != nil {
			return Drawn{}, internal(err)
		}
		// Between the list and the lease another reader may have made this card and let go.
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return Drawn{}, internal(err)
		}
		if p.Card.Good() {
			continue
		}
		return Drawn{rows[slices.Index(uids, uid)], left}, nil
	}
}

// candidates are the first of those who wait, with how many wait in all, and who is to fall off the list.
func (s *Service) candidates(ctx context.Context, who Staff, r DrawRequest) (rows []store.Summary, left int, gone []store.CardMark, err error) {
	const some = 200 // more readers than that never stand in one school
	if r.Run == "" {
		rows, left, err = s.NeedCards(ctx, who, r.School, r.Class, some)
		return rows, left, nil, err
	}
	run, err := s.runOf(ctx, who, r.Run)
	if err != nil {
		return nil, 0, nil, err
	}
	if !run.ClosedAt.IsZero() {
		return nil, 0, nil, nil
	}
	items, err := s.st.CardItems(ctx, r.Run, store.ItemWaiting, some, 0)
	if err != nil {
		return nil, 0, nil, internal(err)
	}
	names, err := s.named(ctx, who, items)
	if err != nil {
		return nil, 0, nil, err
	}
	now := s.now().UTC()
	for _, n := range names {
		if n.Summary.UID == "" || n.Standing != registry.StandingEnrolled || n.School != run.School || n.Summary.CardNo != "" {
			gone = append(gone, store.CardMark{Run: r.Run, UID: n.CardItem.UID, State: store.ItemLeft, CardNo: n.Summary.CardNo, At: now, By: who.Name})
			continue
		}
		rows = append(rows, n.Summary)
	}
	return rows, run.Waiting() - len(gone), gone, nil
}

// ReleaseLane lets go of the name a reader drew.
func (s *Service) ReleaseLane(ctx context.Context, who Staff, lane string) error {
	if err := s.scope(who).Check(access.Issue); err != nil {
		return err
	}
	key, err := laneOf(who, lane)
	if err != nil || key == "" {
		return fail(registry.CodeInvalid, "lane", nil)
	}
	return internal(s.st.DropCardLease(ctx, key))
}

// laneOf is a reader's key among all stations: the account with what the page calls its station and reader. "" for none.
func laneOf(who Staff, lane string) (string, error) {
	if len(lane) > 200 {
		return "", fail(registry.CodeInvalid, "lane", nil)
	}
	if lane == "" {
		return "", nil
	}
	return who.ID + "/" + lane, nil
}

// holdLane refuses a pupil that another reader has, and keeps the pupil for this one as long as a ticket is good.
func (s *Service) holdLane(ctx context.Context, who Staff, r IssueRequest) error {
	lane, err := laneOf(who, r.Lane)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	holder, name, err := s.st.CardLease(ctx, r.UID, now)
	if err != nil {
		return internal(err)
	}
	if holder != "" && holder != lane {
		return atOther(name, now)
	}
	if lane == "" {
		return nil
	}
	_, err = s.st.LeaseCard(ctx, []registry.UID{r.UID}, lane, who.Name, now, now.Add(ticketLife))
	if isNotFound(err) {
		return atOther(name, now)
	}
	return internal(err)
}

func atOther(name string, at time.Time) error {
	return fail(registry.CodeConflict, "", map[string]string{"why": "other_station", "who": name, "at": at.In(registry.Beijing).Format("2006-01-02 15:04:05")})
}
