package web

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"xueji/kiosk/internal/flow"
)

// Voice reads questions out to those who ask for it. Nil is silent. Neither way says anything of a pupil: the browser speaks the words that a template marks
// with data-say, all of them the catalogue's own; a recording knows only the screen.
type Voice struct {
	files map[string]string // "home.zh-Hans" → path; nil: the browser speaks
}

// recordingName is SCREEN.LANG.EXT or SCREEN-VARIANT.LANG.EXT; the variant is the card problem, the trouble, the refusal's code or the goal.
var recordingName = regexp.MustCompile(`^([a-z]+(?:-[a-z_.]+)?\.(?:zh-Hans|zh-Hant|en))\.(mp3|m4a|ogg|opus|wav)$`)

// NewVoice is the voice of a setting: "" or "off", "browser", "folder" with the folder of recordings. Errors say what to mend.
func NewVoice(how, folder string) (*Voice, error) {
	switch how {
	case "", "off":
		return nil, nil
	case "browser":
		return &Voice{}, nil
	case "folder":
	default:
		return nil, fmt.Errorf("kiosk: --speech %q: want off, browser or folder", how)
	}
	if folder == "" {
		return nil, errors.New("kiosk: --speech folder wants the folder of the recordings: --voices")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("kiosk: --voices: %w", err)
	}
	v := &Voice{files: map[string]string{}}
	for _, e := range entries {
		if m := recordingName.FindStringSubmatch(e.Name()); m != nil && e.Type().IsRegular() {
			v.files[m[1]] = filepath.Join(folder, e.Name())
		}
	}
	if len(v.files) == 0 {
		return nil, fmt.Errorf("kiosk: --voices %s holds no recording; they are named after screen and language, such as home.zh-Hans.mp3", folder)
	}
	return v, nil
}

func (v *Voice) recorded() bool { return v != nil && v.files != nil }

// of is the name of the recording for a state, the more exact one first; "" when there is none.
func (v *Voice) of(s flow.State) string {
	if !v.recorded() {
		return ""
	}
	variant := string(s.Goal)
	switch s.Screen {
	case flow.Problem:
		variant = s.Problem
	case flow.Trouble:
		variant = s.Trouble
	case flow.Refused:
		variant = string(s.Result.Code)
	}
	for _, name := range []string{fmt.Sprintf("%s-%s.%s", s.Screen, variant, s.Lang), fmt.Sprintf("%s.%s", s.Screen, s.Lang)} {
		if _, ok := v.files[name]; ok {
			return name
		}
	}
	return ""
}

// Hear reports whether the screen can be read out.
func (p page) Hear() bool { return p.voice != nil && (!p.voice.recorded() || p.Voice() != "") }

// Voice is the recording's name for the screen, "" when the browser speaks.
func (p page) Voice() string { return p.voice.of(p.S) }

// Speak sets the voice; before Serve.
func (s *Server) Speak(v *Voice) { s.draw.voice = v }

func (s *Server) recording(w http.ResponseWriter, r *http.Request) {
	path := ""
	if v := s.draw.voice; v.recorded() {
		path = v.files[r.PathValue("name")]
	}
	if path == "" {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, path)
}
