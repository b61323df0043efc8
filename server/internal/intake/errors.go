package intake

import (
	"strconv"

	"xueji/server/registry"
)

// FieldWorkbook is Error.Field of every refusal of a whole workbook.
const FieldWorkbook = "workbook"

// Params["why"] of a refused workbook. Explain turns each into words.
const (
	WhyNotXLSX   = "not_xlsx"     // not a zip, or a zip without a workbook in it
	WhyOldFormat = "old_format"   // an OLE file: .xls, or a workbook with a password
	WhyTooBig    = "too_big"      // over Limits.Bytes as it came; Params max (MiB)
	WhyBomb      = "bomb"         // unpacks to more than Limits allow; Params max (MiB)
	WhyRows      = "too_many"     // Params rows, max
	WhyNoRows    = "no_rows"      // a header and nothing under it
	WhyNoHeader  = "no_header"    // no row looks like the form's header
	WhyHeader    = "wrong_header" // Params missing, unknown, twice: titles joined by "、"
	WhyDamaged   = "damaged"      // a part of the workbook cannot be read; Params part
)

func refuse(why string, err error, kv ...string) *registry.Error {
	p := map[string]string{"why": why}
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			p[kv[i]] = kv[i+1]
		}
	}
	return &registry.Error{Code: registry.CodeInvalid, Field: FieldWorkbook, Params: p, Err: err}
}

func mib(n int64) string { return strconv.FormatInt(n>>20, 10) }

// Explain says in Chinese what is wrong with a refused workbook and how to mend it, from the Params of the error that Read returned. It returns "" for
// other errors.
func Explain(params map[string]string) string {
	switch params["why"] {
	case WhyNotXLSX:
		return "这个文件不是 Excel 工作簿（.xlsx）。请在 Excel 或 WPS 中打开，另存为“Excel 工作簿（*.xlsx）”后再上传。"
	case WhyOldFormat:
		return "这是旧版（.xls）或加了密码的工作簿。请在 Excel 或 WPS 中去掉密码，另存为“Excel 工作簿（*.xlsx）”后再上传。"
	case WhyTooBig:
		return "文件超过 " + params["max"] + " MB。请删去图片和多余的工作表，或分班上传。"
	case WhyBomb:
		return "文件解压后过大（上限 " + params["max"] + " MB），已拒绝打开。请只保留填写了学生的行，另存后再上传。"
	case WhyRows:
		return "工作簿有 " + params["rows"] + " 行，一次最多 " + params["max"] + " 行。请删去末尾的空行，或按年级、班级分成几个工作簿上传。没有任何一行被导入。"
	case WhyNoRows:
		return "工作簿里没有学生。请在表头下面填写，每名学生一行。"
	case WhyNoHeader:
		return "没有找到表头。请下载模板，把学生填写在模板里，不要改动表头。"
	case WhyHeader:
		s := "表头与模板不一致。"
		if v := params["missing"]; v != "" {
			s += "缺少必填的列：" + v + "。"
		}
		if v := params["unknown"]; v != "" {
			s += "不认识的列：" + v + "。"
		}
		if v := params["twice"]; v != "" {
			s += "重复的列：" + v + "。"
		}
		return s + "请按模板改正表头（列的次序可以不同），再上传。"
	case WhyDamaged:
		return "工作簿已损坏，读不出“" + params["part"] + "”。请在 Excel 或 WPS 中打开并另存，再上传。"
	}
	return ""
}
