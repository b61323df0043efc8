package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/packaging/rig"
	"xueji/server/registry"
)

// glass is the real kiosk program with a real card service, and a family after another before it: cards come and go, answers are pressed as the page presses
// them. It keeps the books of what the screen showed as accepted.
type glass struct {
	w       *world
	id      string // of the kiosk
	no      int
	data    string // the program's folder
	base    string
	login   string
	program *rig.Program
	svc     *rig.Program // the card service
	cards   *localapi.Client
	queue   []string // software cards in the folder, by ID

	lying    bool
	accepted []registry.CaseNo // shown on the last screen
	pending  int               // of them, before the register's word
	refused  int
}

// reader is the simulated reader of the kiosk's card service.
const reader = "sim-1"

// stand enrols and starts a kiosk of a school, with cards for pupils who will be transferred to it; more is said to `kiosk serve`.
func (w *world) stand(school registry.Unit, pupils []*registry.Pupil, more ...string) *glass {
	w.Helper()
	g := &glass{w: w, data: w.reg.Dir("kiosk"), login: w.schools[school].login}
	kiosk := rig.Binary(w, "kiosk")
	rig.Run(w, w.reg.Env, kiosk, "enrol", "--server", w.reg.Base, "--code", w.reg.KioskCode(school, "一楼大厅"), "--data", g.data)
	b, err := os.ReadFile(filepath.Join(g.data, "device.json"))
	var device struct {
		ID string `json:"kiosk_id"`
		No int    `json:"no"`
	}
	if err == nil {
		err = json.Unmarshal(b, &device)
	}
	if err != nil {
		w.Fatal(err)
	}
	g.id, g.no = device.ID, device.No
	set, err := profiles.Load()
	if err != nil {
		w.Fatal(err)
	}
	soft, _ := set.Get(cardsim.Profile)
	w.authority.Readers = map[string]credential.Secret{soft.Name: cardtest.Reader(soft, "").Reveal()} // of the cards that plastic makes
	w.authority.SealKeys()

	folder := w.reg.Dir("cards")
	g.queue = w.plastic(folder, pupils)
	ports := rig.FreePorts(w, 2)
	svc, page := "127.0.0.1:"+strconv.Itoa(ports[0]), "127.0.0.1:"+strconv.Itoa(ports[1])
	g.base = "http://" + page
	g.svc = w.reg.Program("corridor", "cardsvc", "http://"+svc+"/v1/health", "serve", "--listen", svc, "--roots", filepath.Join(g.data, "roots.cbor"), "--allow-origin", g.base,
		"--simulate", "1", "--cards", folder, "--no-pcsc", "--data", w.reg.Dir("corridor"))
	g.svc.Start()
	g.cards = localapi.NewClient("http://"+svc, nil)
	g.program = w.reg.Program("kiosk", "kiosk", g.base+"/readyz", append([]string{"serve", "--listen", page, "--data", g.data, "--server", w.reg.Base, "--cardsvc", "http://" + svc}, more...)...)
	g.program.Start()
	return g
}

// plastic personalises a software card for each pupil.
func (w *world) plastic(dir string, pupils []*registry.Pupil) (ids []string) {
	w.Helper()
	set, err := profiles.Load()
	if err != nil {
		w.Fatal(err)
	}
	profile, _ := set.Get(cardsim.Profile)
	folder, err := cardsim.OpenFolder(dir)
	if err != nil {
		w.Fatal(err)
	}
	ctx := context.Background()
	for _, p := range pupils {
		info, err := folder.Create("", string(p.UID))
		if err != nil {
			w.Fatal(err)
		}
		record, sealed := w.authority.Records(p, info.Serial)
		card, err := folder.Insert(info.ID)
		if err == nil {
			err = applet.Prepare(ctx, card, profile, cardtest.WithKeys(profile))
		}
		if err == nil {
			err = applet.Write(ctx, card, profile, applet.Reading{Blank: true}, p.Card.Sequence, record, sealed, cardtest.WithKeys(profile))
		}
		if err == nil {
			err = card.Eject()
		}
		if err != nil {
			w.Fatal(err)
		}
		ids = append(ids, info.ID)
	}
	return ids
}

// frame is what the kiosk draws.
type frame struct {
	Screen string `json:"screen"`
	Rev    uint64 `json:"rev"`
	HTML   string `json:"html"`
}

var (
	tokenMeta = regexp.MustCompile(`name="kiosk-token" content="([^"]+)"`)
	shownCase = regexp.MustCompile(`class="caseno"><small>[^<]*</small><b>([^<]+)</b>`)
	choices   = regexp.MustCompile(`data-do="answer" data-value="([^"]+)"`)
)

// run serves family after family until stop is closed.
func (g *glass) run(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if err := g.page(ctx, stop); err != nil {
			return err
		}
		pause(ctx, 30*time.Millisecond) // the program was killed under the page: load it again
	}
}

// page is the browser's page for as long as the program lives.
func (g *glass) page(ctx context.Context, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := http.Get(g.base + "/")
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	m := tokenMeta.FindSubmatch(b)
	if err != nil || m == nil {
		return nil
	}
	token := string(m[1])
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/events", nil)
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer stream.Body.Close()
	frames := make(chan frame)
	go func() {
		defer close(frames)
		lines := bufio.NewScanner(stream.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var f frame
			if !ok || json.Unmarshal([]byte(data), &f) != nil {
				continue
			}
			select {
			case frames <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	// A family whose kiosk died goes home; the next one comes.
	if err := g.lift(ctx); err != nil {
		return err
	}
	patience := time.NewTicker(400 * time.Millisecond)
	defer patience.Stop()
	var last frame
	for {
		select {
		case <-stop:
			return nil
		case f, open := <-frames:
			if !open {
				return nil
			}
			if f.HTML == "" { // the foot changed, or the same answer stands there again
				continue
			}
			g.w.seen.Add(1)
			last = f
		case <-patience.C: // a person tries again when the server was away
			if last.Screen != "signin" {
				continue
			}
		}
		if err := g.act(ctx, token, last); err != nil {
			return err
		}
	}
}

// press posts what the page's script posts.
func (g *glass) press(ctx context.Context, token string, m map[string]any) {
	b, _ := json.Marshal(m)
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/act", bytes.NewReader(b))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Xueji-Kiosk", token)
	if resp, err := http.DefaultClient.Do(req); err == nil { // a program killed meanwhile is noticed by its stream
		resp.Body.Close()
	}
}

// answers by screen; what is not here is answered by what the screen says.
var answers = map[string]string{"confirm": "yes", "reason": "moved", "guardian": "mother", "consent": "agree"}

func (g *glass) act(ctx context.Context, token string, f frame) error {
	html := f.HTML
	answer := func(v string) {
		g.press(ctx, token, map[string]any{"rev": f.Rev, "do": "answer", "value": v})
	}
	if v, ok := answers[f.Screen]; ok {
		answer(v)
		return nil
	}
	switch f.Screen {
	case "home":
		if g.lying {
			return g.lift(ctx)
		}
		return g.lay(ctx)
	case "menu":
		if !g.lying { // the last family's card, seen by a program that came back before the card was lifted
			g.press(ctx, token, map[string]any{"rev": f.Rev, "do": "leave"})
			return nil
		}
		if strings.Contains(html, `data-value="transfer"`) {
			g.press(ctx, token, map[string]any{"rev": f.Rev, "do": "choose", "value": "transfer"})
			return nil
		}
		return fmt.Errorf("the kiosk does not offer a transfer:\n%s", html)
	case "grade":
		all := choices.FindAllStringSubmatch(html, -1)
		answer(all[len(all)/2][1])
	case "signin":
		if !strings.Contains(html, "disabled") {
			g.press(ctx, token, map[string]any{"rev": f.Rev, "do": "signin", "login": g.login, "password": g.w.reg.Password})
		}
	case "done":
		m := shownCase.FindStringSubmatch(html)
		if m == nil {
			return fmt.Errorf("the last screen shows no case number:\n%s", html)
		}
		if no := registry.CaseNo(m[1]); len(g.accepted) == 0 || g.accepted[len(g.accepted)-1] != no {
			g.accepted = append(g.accepted, no)
			g.w.accepted.Add(1)
			if !strings.Contains(html, `<ol class="case">`) {
				g.pending++
			}
		}
		answer("finish")
	case "problem", "trouble", "refused", "restarted":
		if f.Screen == "refused" {
			g.refused++
		}
		if err := g.lift(ctx); err != nil {
			return err
		}
		answer("finish")
	}
	return nil
}

// lay puts the next card on the reader.
func (g *glass) lay(ctx context.Context) error {
	id, ok := pop(&g.queue)
	if !ok {
		return fmt.Errorf("the kiosk has served %d families and no card is left: the load is too long for its cards", len(g.accepted))
	}
	if err := g.cards.SimInsert(ctx, reader, localapi.SimInsert{Card: id}); err != nil && ctx.Err() == nil {
		return err
	}
	g.lying = true
	return nil
}

// lift takes the card off.
func (g *glass) lift(ctx context.Context) error {
	if err := g.cards.SimRemove(ctx, reader); err != nil && ctx.Err() == nil {
		return err
	}
	g.lying = false
	return nil
}

// waiting is how many events still wait in the kiosk's outbox.
func (g *glass) waiting(t *testing.T) int {
	t.Helper()
	return g.w.count(g.w.open("sqlite", readOnly(filepath.Join(g.data, "outbox.db"))), `SELECT count(*) FROM event`)
}
