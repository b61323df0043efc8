package demo

import (
	"math/rand/v2"
	"strings"
)

// surnames by their share in the population, in tenths of a per cent.
var surnames = weights(`王 72 李 71 张 68 刘 54 陈 45 杨 31 黄 23 赵 22 吴 21 周 20 徐 15 孙 15 马 13 朱 13 胡 12 郭 12 何 12 林 11 高 10 罗 9 郑 9 梁 9 谢 8 宋 8 唐 7 许 7 韩 7
	邓 7 冯 7 曹 6 彭 6 曾 6 肖 6 田 5 董 5 潘 5 袁 5 蔡 5 蒋 5 余 5 于 5 杜 5 叶 5 程 5 魏 5 苏 4 吕 4 丁 4 任 4 卢 4 姚 4 沈 4 钟 4 姜 4 崔 4 谭 4 陆 4 范 3 汪 3 廖 3 石 3
	金 3 韦 3 贾 3 夏 3 付 3 方 3 邹 3 熊 3 白 3 孟 3 秦 3 邱 3 侯 2 江 2 尹 2 薛 2 闫 2 雷 2 龙 2 史 2 陶 2 贺 2 顾 2 毛 2 郝 2 龚 2 邵 2 万 2 覃 2 武 2 钱 2 戴 2 严 2 莫 2
	欧阳 2 上官 1 诸葛 1 司马 1 尉迟 1 令狐 1 皇甫 1 东方 1`)

// Given names of the cohort, with shares.
var (
	boys = weights(`浩宇 20 子轩 18 宇轩 17 浩然 16 奕辰 15 宇航 14 梓豪 12 俊杰 12 子墨 11 一诺 4 沐宸 10 宇泽 9 皓轩 9 博文 9 天佑 8 明轩 8 思源 8 嘉懿 7 煜城 7 懿轩 6 烨伟 5 苑博 4 伟泽 5
		熠彤 4 鸿煊 4 博涛 5 烨霖 5 烨华 3 煜祺 6 智宸 6 正豪 5 昊然 8 明杰 6 立诚 5 立轩 5 立辉 3 峻熙 6 弘文 4 哲瀚 4 雨泽 7 楷瑞 4 建辉 3 晋鹏 3 天磊 2 绍辉 2 泽洋 5 鑫磊 3 鹏煊 2
		昊强 2 伟宸 4 博超 3 君浩 4 子骞 3 鹏涛 2 炎彬 2 鹤轩 3 越彬 2 风华 2 靖琪 2 明辉 4 伟诚 3 晟睿 5 修杰 3 修洁 2 远航 4 旭尧 3 圣杰 3 俊楠 3 鸿涛 3 伟祺 3 荣轩 2 越泽 2
		晨 9 磊 6 涛 5 睿 8 昊 7 轩 6 航 6 宸 5 阳 6 辰 5 毅 3 骁 2 煜 4`)
	girls = weights(`子涵 20 欣怡 18 梓涵 18 雨涵 15 可馨 14 诗涵 14 一诺 13 欣妍 12 思彤 11 佳怡 11 雨桐 11 梦琪 10 紫涵 9 语桐 9 若曦 9 诗琪 8 雅静 7 梦洁 6 惠茜 4 漫妮 4 语嫣 6 倩雪 5
		香茹 3 月婵 3 嫦曦 3 静香 4 梦璐 5 沛玲 3 欣然 8 雨萱 9 婉清 5 安琪 8 佳琪 7 晓燕 4 雪莉 3 思雨 8 欣悦 7 梓萱 12 艺涵 8 悦心 5 沐晴 5 芷若 5 书瑶 6 静怡 6 雅琴 4 宁馨 4
		妍希 4 昕玥 4 依诺 10 苡沫 5 芸熙 4 清妍 4 锦萱 5 知夏 4 念慈 3 玥 7 萱 6 琪 6 婷 6 雪 5 颖 5 妍 6 悦 7 菲 4 岚 3 昕 4`)
	fathers = weights(`伟 20 强 18 磊 17 军 15 勇 14 涛 13 明 12 超 11 斌 11 波 11 辉 11 刚 10 建华 9 志强 9 建国 8 海涛 8 文军 6 鹏 10 杰 10 峰 9 浩 8 俊 8 永强 6 建军 8 国庆 5 志伟 7 晓东 6
		林 6 飞 7 亮 7 凯 6 宏伟 5 金龙 4 玉龙 3 海波 5 文斌 5 建平 6 国强 5`)
	mothers = weights(`芳 18 娜 16 敏 16 静 15 丽 14 艳 13 娟 13 霞 12 燕 12 玲 11 婷 11 雪梅 6 秀英 5 红梅 6 丽娟 7 海燕 7 晓红 6 玉兰 4 桂英 4 春燕 5 秀兰 4 慧 9 洁 8 琳 8 萍 8 颖 7 莉 9 倩 7
		丹 7 蕾 6 美玲 5 晓燕 6 文静 6 雅琴 4 小红 3 秋菊 3`)
)

// rareGiven are given names with characters above U+FFFF or otherwise seldom met, as real registers hold them.
var rareGiven = []string{"𬀩", "子𬭎", "𠮷安", "𫟹", "𬍛", "文𬤊", "𬴂", "小䶮", "昱㛃", "𬬭", "一𬘡", "𬬱", "思𬒈", "𫖯", "𫘧"}

// people other than Han: code (GB/T 3304), how their names are made, share.
type folk struct {
	code  string
	share int
	given [2][]string // [male, female]
	last  []string    // after "·"; nil: surnames and given names as Han
}

var folks = []folk{
	{"05", 8, [2][]string{
		strings.Fields("阿卜杜拉 艾力 买买提 吐尔逊 艾尼瓦尔 库尔班 穆拉提 依明江 阿迪力 麦合木提"),
		strings.Fields("阿依古丽 古丽努尔 阿孜古丽 热依汗 迪丽娜尔 米热班 祖丽菲亚 阿丽米热 帕提曼 美合日阿依")},
		strings.Fields("买买提 吐尔逊 艾合买提 阿不都热依木 依不拉音 卡德尔 玉素甫 尼亚孜 沙吾提 巴拉提")},
	{"17", 3, [2][]string{strings.Fields("叶尔兰 阿斯哈尔 努尔兰 别克"), strings.Fields("阿依达娜 古丽扎 玛依拉 加依娜")}, strings.Fields("哈力木汗 赛力克 努尔别克 木哈买提")},
	{"04", 6, [2][]string{strings.Fields("扎西顿珠 次仁多吉 丹增 平措 格桑旺堆 洛桑"), strings.Fields("卓玛 德吉央宗 次仁拉姆 白玛 格桑梅朵 央金")}, nil},
	{"02", 6, [2][]string{strings.Fields("巴特尔 苏和 那日苏 阿古拉 呼和"), strings.Fields("其其格 萨仁 娜仁托娅 乌兰 高娃")}, nil},
	{"03", 10, [2][]string{}, nil}, {"06", 9, [2][]string{}, nil}, {"08", 9, [2][]string{}, nil}, {"11", 8, [2][]string{}, nil}, {"15", 9, [2][]string{}, nil},
	{"09", 4, [2][]string{}, nil}, {"12", 4, [2][]string{}, nil}, {"22", 6, [2][]string{}, nil}, {"10", 3, [2][]string{}, nil},
}

type weighted struct {
	words []string
	upto  []int
}

func weights(s string) weighted {
	var w weighted
	f := strings.Fields(s)
	total := 0
	for i := 0; i+1 < len(f); i += 2 {
		n := 0
		for _, c := range f[i+1] {
			n = n*10 + int(c-'0')
		}
		total += n
		w.words, w.upto = append(w.words, f[i]), append(w.upto, total)
	}
	return w
}

func (w weighted) pick(r *rand.Rand) string {
	n := r.IntN(w.upto[len(w.upto)-1])
	lo, hi := 0, len(w.upto)-1
	for lo < hi {
		if mid := (lo + hi) / 2; w.upto[mid] > n {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return w.words[lo]
}

func one[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }
