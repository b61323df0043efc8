package web

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"xueji/kiosk/internal/camera"
	"xueji/kiosk/internal/flow"
)

// Film lets the page read an archive's code by the machine's camera; before Serve.
func (s *Server) Film(on bool) { s.draw.camera = on }

// Camera reports whether the screen may offer the camera.
func (p page) Camera() bool { return p.camera }

// permissions is what the page may ask the browser for: the camera where the school lets it, nothing else ever.
func (s *Server) permissions() string {
	if s.draw.camera {
		return "camera=(self), microphone=(), geolocation=()"
	}
	return "camera=(), microphone=(), geolocation=()"
}

// frameBody is the type of a frame: package camera says its form.
const frameBody = "application/octet-stream"

// frames answers the page's pictures with what their code says, one at a time and only while the archive's code is asked for. A picture is nowhere but in
// memory, for as long as it is looked at.
func (s *Server) frames() http.HandlerFunc {
	var one sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case subtle.ConstantTimeCompare([]byte(r.Header.Get("Xueji-Kiosk")), []byte(s.token)) != 1:
			http.Error(w, "not from this page; load it again", http.StatusForbidden)
			return
		case !s.draw.camera:
			http.Error(w, "this kiosk has no camera", http.StatusNotFound)
			return
		case r.Header.Get("Content-Type") != frameBody:
			http.Error(w, "send "+frameBody, http.StatusUnsupportedMediaType)
			return
		}
		if st := s.desk.View().State; st.Screen != flow.Scan || st.Busy != flow.BusyNone {
			http.Error(w, "no code is asked for", http.StatusConflict)
			return
		}
		if !one.TryLock() {
			http.Error(w, "one picture at a time", http.StatusTooManyRequests)
			return
		}
		defer one.Unlock()
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, camera.MaxFrame))
		if err == nil {
			var text string
			if text, err = camera.Decode(raw); err == nil {
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(map[string]string{"text": text})
				return
			}
		}
		http.Error(w, "not understood", http.StatusBadRequest)
	}
}
