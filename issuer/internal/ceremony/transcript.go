package ceremony

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// Lang chooses the words of a transcript.
type Lang string

// Languages.
const (
	Hans Lang = "zh-Hans"
	Hant Lang = "zh-Hant"
	En   Lang = "en"
)

// Step is an act of a ceremony.
type Step string

// Steps, in the order of a first year.
const (
	StepRoot    Step = "root"
	StepRequest Step = "request"
	StepCertify Step = "certify"
	StepAccept  Step = "accept"
	StepRetire  Step = "retire"
	StepMasters Step = "masters"
	// StepNextMasters and StepRetireMasters begin and end a generation of card master keys.
	StepNextMasters   Step = "next_masters"
	StepRetireMasters Step = "retire_masters"
	// StepEpoch and StepRetireEpoch begin and end an epoch of the keys of sealed records.
	StepEpoch       Step = "epoch"
	StepRetireEpoch Step = "retire_epoch"
)

// Fact is a line of a transcript: a word of the catalogue and its value.
type Fact struct {
	Label Word
	Value string
}

// Word names an entry of the catalogue.
type Word string

// words holds every word of a transcript: Simplified Chinese, Traditional Chinese, English. A transcript is printed, read aloud and signed by people.
var words = map[Word][3]string{
	"title":               {"学生卡密钥仪式记录", "學生卡密鑰儀式記錄", "Student card key ceremony: transcript"},
	"step":                {"步骤", "步驟", "Step"},
	"step.root":           {"一、生成根密钥（离线机器）", "一、產生根密鑰（離線機器）", "1. Root key made (offline machine)"},
	"step.request":        {"二、生成发卡密钥并提出申请（发卡机器）", "二、產生發卡密鑰並提出申請（發卡機器）", "2. Issuing key made and certification requested (issuing machine)"},
	"step.certify":        {"三、根密钥签发证书（离线机器）", "三、根密鑰簽發證書（離線機器）", "3. Issuing key certified by the root (offline machine)"},
	"step.accept":         {"四、发卡机器装入证书（发卡机器）", "四、發卡機器裝入證書（發卡機器）", "4. Certificate installed (issuing machine)"},
	"step.retire":         {"五、销毁到期的发卡密钥（发卡机器）", "五、銷毀到期的發卡密鑰（發卡機器）", "5. Ended issuing key destroyed (issuing machine)"},
	"step.masters":        {"卡片主密钥、读卡主密钥移入密码设备（发卡机器）", "卡片主密鑰、讀卡主密鑰移入密碼設備（發卡機器）", "Card and reader master keys moved into a token (issuing machine)"},
	"next.masters":        {"销毁 card-master.key 与 reader-master.key 的所有旧副本；SM4 主密钥仍在文件中。", "銷毀 card-master.key 與 reader-master.key 的所有舊副本；SM4 主密鑰仍在檔案中。", "Destroy every older copy of card-master.key and reader-master.key; the SM4 master keys stay in the files."},
	"step.next_masters":   {"生成下一代卡片主密钥（发卡机器）", "產生下一代卡片主密鑰（發卡機器）", "Next generation of card master keys drawn (issuing machine)"},
	"next.next_masters":   {"重新启动发卡程序；卡片在下一次写卡时换用新密钥。备份本文件夹；旧代在换完之前必须保留。", "重新啟動發卡程式；卡片在下一次寫卡時換用新密鑰。備份本資料夾；舊代在換完之前必須保留。", "Restart the issuer: chips get the new keys when they are written next. Back the folder up; the old generation must stay until all are changed."},
	"step.retire_masters": {"销毁旧一代卡片主密钥（发卡机器）", "銷毀舊一代卡片主密鑰（發卡機器）", "Old generation of card master keys destroyed (issuing machine)"},
	"next.retire_masters": {"重新启动发卡程序；销毁该代密钥的所有副本。仍用该代密钥的卡不能再验证芯片，也不能再写，应补发。", "重新啟動發卡程式；銷毀該代密鑰的所有副本。仍用該代密鑰的卡不能再驗證晶片，也不能再寫，應補發。", "Restart the issuer; destroy every copy. Cards that still have keys of it can be neither proven nor written: replace them."},
	"generation":          {"主密钥代", "主密鑰代", "Generation"},
	"generations_kept":    {"保留的主密钥代", "保留的主密鑰代", "Generations kept"},
	"step.epoch":          {"开始新的密钥期（发卡机器）", "開始新的密鑰期（發卡機器）", "A new epoch begun (issuing machine)"},
	"next.epoch":          {"重新启动发卡程序；此后新卡用新密钥期，旧卡在下一次刷卡时重写。先吊销失窃的终端。备份本文件夹。", "重新啟動發卡程式；此後新卡用新密鑰期，舊卡在下一次刷卡時重寫。先吊銷失竊的終端。備份本資料夾。", "Restart the issuer: new cards are made on the new epoch, others are rewritten at their next tap. Revoke stolen kiosks first. Back the folder up."},
	"step.retire_epoch":   {"销毁旧密钥期的读取密钥（发卡机器）", "銷毀舊密鑰期的讀取密鑰（發卡機器）", "Reading key of an old epoch destroyed (issuing machine)"},
	"next.retire_epoch":   {"重新启动发卡程序；销毁该密钥的所有副本。仍在此密钥期的卡有效，终端在重写之前读不出姓名。", "重新啟動發卡程式；銷毀該密鑰的所有副本。仍在此密鑰期的卡有效，終端在重寫之前讀不出姓名。", "Restart the issuer; destroy every copy of the key. Cards still on it stay good; kiosks read no name from them until they are rewritten."},
	"epoch":               {"密钥期", "密鑰期", "Epoch"},
	"epochs_kept":         {"保留的密钥期", "保留的密鑰期", "Epochs kept"},
	"master":              {"已移入的主密钥", "已移入的主密鑰", "Master key moved"},
	"time":                {"时间（北京时间）", "時間（北京時間）", "Time (Beijing)"},
	"place":               {"地点与机器", "地點與機器", "Place and machine"},
	"program":             {"程序版本", "程式版本", "Program"},
	"authority":           {"省级代码", "省級代碼", "Authority"},
	"suite":               {"算法", "演算法", "Suite"},
	"root":                {"根公钥指纹", "根公鑰指紋", "Fingerprint of the root"},
	"key":                 {"发卡公钥指纹", "發卡公鑰指紋", "Fingerprint of the issuing key"},
	"key_id":              {"密钥编号", "密鑰編號", "Key id"},
	"from":                {"有效期始", "有效期始", "Valid from"},
	"until":               {"有效期止", "有效期止", "Valid until"},
	"kept_file":           {"密钥保管：文件，由保管人口令加密", "密鑰保管：檔案，由保管人口令加密", "Key kept: file sealed with passphrases; holders"},
	"kept_token":          {"密钥保管：密码设备", "密鑰保管：密碼設備", "Key kept: token"},
	"kept_folder":         {"密钥保管：发卡机器文件夹", "密鑰保管：發卡機器資料夾", "Key kept: the issuing machine's folder"},
	"file":                {"文件", "檔案", "File"},
	"file_print":          {"文件指纹（SHA-256）", "檔案指紋（SHA-256）", "Fingerprint of the file (SHA-256)"},
	"compared":            {"申请指纹已由在场人员读出并核对", "申請指紋已由在場人員讀出並核對", "Fingerprint of the request was read aloud and compared"},
	"gap":                 {"注意：有若干天没有有效的发卡密钥", "注意：有若干天沒有有效的發卡密鑰", "Note: some days have no valid issuing key"},
	"yes":                 {"是", "是", "yes"},
	"present":             {"在场人员（签名）", "在場人員（簽名）", "Present (signature)"},
	"next":                {"下一步", "下一步", "Next"},
	"next.root":           {"把 roots.cbor 连同本记录交给发卡机器；文件夹另存两份副本，分开保管。", "把 roots.cbor 連同本記錄交給發卡機器；資料夾另存兩份副本，分開保管。", "Take roots.cbor with this transcript to the issuing machine; keep two copies of the folder, apart from each other."},
	"next.request":        {"把申请文件连同本记录带到离线机器；以本记录上的指纹核对。", "把申請檔案連同本記錄帶到離線機器；以本記錄上的指紋核對。", "Take the request with this transcript to the offline machine; compare by the fingerprint above."},
	"next.certify":        {"把证书文件带回发卡机器；关闭离线机器，锁存其文件夹。", "把證書檔案帶回發卡機器；關閉離線機器，鎖存其資料夾。", "Take the certificate back to the issuing machine; switch the offline machine off and lock its folder away."},
	"next.accept":         {"重新启动发卡程序；新证书随即下发到各终端。", "重新啟動發卡程式；新證書隨即下發到各終端。", "Restart the issuer; the certificate then goes out to all kiosks."},
	"next.retire":         {"证书保留，旧卡仍可验证。销毁该密钥的所有副本。", "證書保留，舊卡仍可驗證。銷毀該密鑰的所有副本。", "The certificate stays, old cards go on verifying. Destroy every copy of the key."},
	"declaration":         {"以上内容与在场人员所见一致。", "以上內容與在場人員所見一致。", "This is what those present saw."},
	"signature_date":      {"日期", "日期", "Date"},
}

func (l Lang) word(w Word) string {
	e, ok := words[w]
	if !ok {
		return string(w)
	}
	switch l {
	case Hant:
		return e[1]
	case En:
		return e[2]
	}
	return e[0]
}

// Yes is the word for a fact that has no other value.
func Yes(l Lang) string { return l.word("yes") }

// Transcript is what is printed and signed after a step. It holds no secret.
type Transcript struct {
	Lang    Lang
	Step    Step
	At      time.Time
	Place   string   // where, and which machine
	Program string   // version
	Present []string // "姓名，职务"
	Facts   []Fact
}

// ErrPresent says that too few people are named.
var ErrPresent = errors.New("too few people present")

// Witnesses is how many people a step wants: nobody touches the root alone.
func Witnesses(s Step) int {
	if s == StepRoot || s == StepCertify {
		return 2
	}
	return 1
}

// CheckPresent refuses a step before anything was done.
func CheckPresent(s Step, present []string) error {
	seen := map[string]bool{}
	for _, p := range present {
		p = strings.TrimSpace(p)
		if p == "" || len(p) > 200 || strings.ContainsFunc(p, unicode.IsControl) || seen[p] {
			return fmt.Errorf("%w: --present wants a name and an office each time, each person once", ErrPresent)
		}
		seen[p] = true
	}
	if len(seen) < Witnesses(s) {
		return fmt.Errorf("%w: this step wants %d, name each with --present 'NAME, OFFICE'", ErrPresent, Witnesses(s))
	}
	return nil
}

// Text is the transcript as it is printed: at most 100 columns, plain text in UTF-8.
func (t Transcript) Text() string {
	var b strings.Builder
	title := t.Lang.word("title")
	fmt.Fprintf(&b, "%s\n%s\n\n", title, strings.Repeat("=", columns(title)))
	line := func(label, value string) {
		sep := "："
		if t.Lang == En {
			sep = ": "
		}
		if columns(label)+columns(value) > 76 {
			fmt.Fprintf(&b, "%s%s\n    %s\n", label, strings.TrimSpace(sep), value)
			return
		}
		fmt.Fprintf(&b, "%s%s%s\n", label, sep, value)
	}
	w := t.Lang.word
	line(w("step"), w(Word("step."+t.Step)))
	line(w("time"), t.At.In(Zone).Format("2006-01-02 15:04:05"))
	line(w("place"), t.Place)
	line(w("program"), t.Program)
	b.WriteByte('\n')
	for _, f := range t.Facts {
		line(w(f.Label), f.Value)
	}
	b.WriteByte('\n')
	line(w("next"), w(Word("next."+t.Step)))
	fmt.Fprintf(&b, "\n%s\n\n", w("declaration"))
	fmt.Fprintf(&b, "%s\n\n", w("present"))
	for _, p := range t.Present {
		pad := max(2, 40-columns(p))
		fmt.Fprintf(&b, "  %s%s____________________  %s ____________\n\n", p, strings.Repeat(" ", pad), w("signature_date"))
	}
	return b.String()
}

// columns is the width on a terminal: ideographs and full-width marks take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 && (unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF60) {
			n++
		}
	}
	return n
}

// Keep writes the transcript beside the keys, in the folder's transcripts, and returns its path. An earlier one is never overwritten. Durable on return.
func (t Transcript) Keep(dir string) (string, error) {
	sub := filepath.Join(dir, "transcripts")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		return "", err
	}
	base := t.At.In(Zone).Format("20060102-150405") + "-" + string(t.Step)
	name := base + ".txt"
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(sub, name)); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s-%d.txt", base, i)
	}
	return filepath.Join(sub, name), write(sub, name, []byte(t.Text()), 0o600)
}
