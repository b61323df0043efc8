package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// IngestRate has clients (kiosks) send rows of batch events each for about the given time, and gives the rows acknowledged per second.
func IngestRate(b testing.TB, s store.Store, clients, batch int, d time.Duration) float64 {
	payload := make([]byte, 300) // an event with its signature, about
	for i := range payload {
		payload[i] = byte(rand.IntN(256))
	}
	run := rand.Uint64()
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	rows := make([]int, clients)
	start := time.Now()
	for c := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			kiosk := fmt.Sprintf("k-%x-%d", run, c)
			for seq := uint64(1); time.Now().Before(end); seq += uint64(batch) {
				in := make([]store.InboxRow, batch)
				for i := range in {
					in[i] = store.InboxRow{Kiosk: kiosk, Seq: seq + uint64(i), Hash: payload[:32], Payload: payload, At: Epoch, Chain: payload[:32], EventID: kiosk}
				}
				if _, _, err := s.Ingest(context.Background(), kiosk, in); err != nil {
					b.Error(err)
					return
				}
				rows[c] += batch
			}
		}()
	}
	wg.Wait()
	total := 0
	for _, n := range rows {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}

// Fill puts n pupils into thirty schools, 500 to a commit, and gives the pupils per second.
func Fill(b testing.TB, s store.Store, n int) float64 {
	b.Helper()
	family := []rune("王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁")
	pinyin := []string{"wang", "li", "zhang", "liu", "chen", "yang", "huang", "zhao", "zhou", "wu", "xu", "sun", "zhu", "ma", "hu", "guo", "lin", "he", "gao", "liang"}
	given := []rune("伟芳娜敏静丽强磊洋艳勇军杰娟涛明超秀霞平刚桂英华玉兰𬀩梓涵浩宇欣怡子轩雨桐")
	start := time.Now()
	for at := 0; at < n; at += 500 {
		var batch store.Batch
		for i := at; i < min(at+500, n); i++ {
			f := i * 7919 % len(family)
			g1, g2 := i*31%len(given), i/len(given)*17%len(given)
			p := Pupil(i, string(family[f])+string(given[g1])+string(given[g2]), registry.Unit(fmt.Sprintf("21330100%02d", i%30)), 1+i/30%6, fmt.Sprintf("%d班", 1+i/180%8))
			for k := range 40 { // a form of its usual size
				p.Form[registry.FieldKey(fmt.Sprintf("item%d", k))] = "浙江省杭州市西湖区文三街"
			}
			c := Change(p, registry.EvEnrol, store.Index{Pinyin: []string{fmt.Sprintf("%s%c%c", pinyin[f], 'a'+g1%26, 'a'+g2%26)}, Initials: []string{fmt.Sprintf("%c%c%c", pinyin[f][0], 'a'+g1%26, 'a'+g2%26)},
				IDTail: fmt.Sprintf("%04d", i%10000), NumTail: fmt.Sprintf("%04d", i%10000)})
			c.Claims = [][]byte{fmt.Appendf(nil, "id%d", i)}
			batch.Changes = append(batch.Changes, c)
		}
		if err := s.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkSearch fills a store with 50,000 pupils and looks for them in each way, by a school and by the whole county.
func BenchmarkSearch(b *testing.B, s store.Store) {
	b.ReportMetric(Fill(b, s, 50_000), "pupils-committed/s")
	var county []registry.Unit
	for i := range 30 {
		county = append(county, registry.Unit(fmt.Sprintf("21330100%02d", i)))
	}
	for _, q := range []struct {
		name string
		q    store.Query
	}{
		{"county/list", store.Query{}},
		{"county/family-name", store.Query{Text: "王"}},
		{"county/inner-two", store.Query{Text: "芳娜"}},
		{"county/full-name", store.Query{Text: "王伟伟"}},
		{"county/pinyin", store.Query{Text: "zhang"}},
		{"county/initials", store.Query{Text: "wa"}},
		{"county/last-4", store.Query{Text: "1234"}},
		{"county/nobody", store.Query{Text: "不存在"}},
		{"county/no-card", store.Query{NoCard: true}},
		{"county/page-100", store.Query{Offset: 5000}},
		{"school/list", store.Query{School: county[3]}},
		{"school/family-name", store.Query{School: county[3], Text: "王"}},
	} {
		q.q.Schools, q.q.Unit, q.q.Limit = county, CountyX, 50
		b.Run(q.name, func(b *testing.B) {
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				t := time.Now()
				if _, err := s.Search(b.Context(), q.q); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Count(b.Context(), q.q); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(t))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			b.ReportMetric(float64(took[len(took)*99/100])/float64(100*time.Millisecond), "of-100ms-limit")
		})
	}
}
