package fusion

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tokenfuse/lib/internal/strictjson"
)

// Description is a method as `methods` lists it.
type Description struct {
	Name string // in FUSION.json and in a SPEC: "mctf"
	Kind Kind   // what it does to tokens
	// Defaults is FUSION.json with every field at its default: the published value, except of methods
	// that are OwnDefaults.
	Defaults string
	Paper    string // authors, year, arXiv number; "-" where there is none
	Summary  string // in half a sentence
	// OwnDefaults says that the defaults are Tokenfuse's: no paper gives values, or they were not at hand.
	OwnDefaults bool
	parse       func([]byte) (Method, error)
}

// Kind is what a method does to tokens.
type Kind string

const (
	Base     Kind = "base"     // nothing
	Fusing   Kind = "fusing"   // makes one of several
	Choosing Kind = "choosing" // keeps some, drops the others
	Adaptive Kind = "adaptive" // fuses or drops a number that depends on the image
	Learned  Kind = "learned"  // has weights of its own, which are trained
)

// Methods lists the methods by name.
func Methods() []Description {
	return []Description{
		{Name: "none", Kind: Base, Defaults: `{"method":"none"}`, Paper: "-",
			Summary: "the base model, no token fused", parse: parseNone},
		{Name: "mctf", Kind: Fusing, Defaults: `{"method":"mctf","r":16,"layers":[1,2,3,4,5,6,7,8,9,10,11],"tau":{"similarity":1,"informativeness":20,"size":40},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`,
			Paper:   "Lee et al. 2024, arXiv 2403.10030",
			Summary: "multi-criteria token fusion with one-step-ahead attention", parse: parseMCTF},
		{Name: "tome", Kind: Fusing, Defaults: `{"method":"tome","r":8,"proportional_attention":true}`,
			Paper:   "Bolya et al. 2023, arXiv 2210.09461",
			Summary: "token merging by the similarity of keys", parse: parseToMe},
		{Name: "pitome", Kind: Fusing, Defaults: `{"method":"pitome","keep_rate":0.9125,"layers":[0,1,2,3,4,5,6,7,8,9,10,11],"margin":0.75,"bipartite_layers":[0,1,2,3,4,5],"proportional_attention":false}`,
			Paper:   "Tran et al. 2024, arXiv 2405.16148",
			Summary: "protect isolated tokens by their energy, merge the others", parse: parsePiToMe},
		{Name: "tofu", Kind: Fusing, Defaults: `{"method":"tofu","r":8,"prune_layers":[0,1,2,3,4,5,6],"proportional_attention":false}`,
			Paper:   "Kim et al. 2024, arXiv 2312.01026",
			Summary: "prune in early layers, merge with the norm kept in late ones", parse: parseToFu},
		{Name: "atc", Kind: Fusing, Defaults: `{"method":"atc","keep_rate":0.7,"layers":[3,6,9],"linkage":"average","pooling":"size","proportional_attention":true}`,
			Paper:   "Haurum et al. 2024, arXiv 2409.11923",
			Summary: "agglomerative clustering of the keys; r in place of keep_rate removes r in each layer", parse: parseATC},
		{Name: "kmedoids", Kind: Fusing, Defaults: `{"method":"kmedoids","keep_rate":0.7,"layers":[2,5,8],"iterations":3,"equal_weight":false,"medoid_rule":"image"}`,
			Paper:   "Haurum et al. 2023, arXiv 2308.04657",
			Summary: "K-Medoids clustering from the most attended tokens; the medoid stands for its cluster, after the layers named", parse: parseKMedoids},
		{Name: "random-fusion", Kind: Fusing, Defaults: `{"method":"random-fusion","r":8,"seed":0,"proportional_attention":true}`,
			OwnDefaults: true,
			Paper:       "-",
			Summary:     "fuse random tokens: the floor that methods must beat", parse: parseRandomFusion},
		{Name: "evit", Kind: Choosing, Defaults: `{"method":"evit","keep_rate":0.7,"layers":[3,6,9],"fuse_inattentive":true}`,
			Paper:   "Liang et al. 2022, arXiv 2202.07800",
			Summary: "keep the tokens that the class token attends to, fuse the others into one", parse: parseEViT},
		{Name: "topk", Kind: Choosing, Defaults: `{"method":"topk","keep_rate":0.7,"layers":[3,6,9]}`,
			Paper:   "Haurum et al. 2023, arXiv 2308.04657",
			Summary: "keep the tokens that the class token attends to, drop the others", parse: parseTopK},
		{Name: "radial", Kind: Choosing, Defaults: `{"method":"radial","norm":"l1","keep_rate":0.7,"layers":[3,6,9]}`,
			Paper:   "Haurum et al. 2023, arXiv 2308.04657",
			Summary: "keep the tokens nearest to the image's centre, drop the others", parse: parseRadial},
		{Name: "random-drop", Kind: Choosing, Defaults: `{"method":"random-drop","keep_rate":0.7,"layers":[3,6,9],"seed":0}`,
			OwnDefaults: true,
			Paper:       "-",
			Summary:     "keep random tokens, drop the others", parse: parseRandomDrop},
		{Name: "atm", Kind: Adaptive, Defaults: `{"method":"atm","alpha":0.95,"beta":0.02,"theta_min":0.7,"layers":[0,1,2,3,4,5,6,7,8,9,10,11],"size_layers":[8,9,10,11],"proportional_attention":true}`,
			OwnDefaults: true,
			Paper:       "Lee and Choi 2025, arXiv 2505.15160",
			Summary:     "merge what is more similar than the layer's threshold, image by image", parse: parseATM},
		{Name: "ats", Kind: Adaptive, Defaults: `{"method":"ats","keep_rate":1,"layers":[3,4,5,6,7,8,9,10,11],"order":"significance"}`,
			Paper:   "Fayyaz et al. 2022, arXiv 2111.15667",
			Summary: "adaptive token sampling: as many tokens as the image needs", parse: parseATS},
		{Name: "dynamicvit", Kind: Learned, Defaults: `{"method":"dynamicvit","keep_rate":0.7,"layers":[3,6,9]}`,
			Paper:   "Rao et al. 2021, arXiv 2106.02034",
			Summary: "keep the tokens that a learned predictor wants to keep", parse: parseDynamicViT},
		{Name: "sit", Kind: Learned, Defaults: `{"method":"sit","keep_rate":0.5,"layers":[3,6,9]}`,
			Paper:   "Zong et al. 2022, arXiv 2111.12624",
			Summary: "mix the tokens into fewer by learned shares", parse: parseSiT},
		{Name: "patchmerger", Kind: Learned, Defaults: `{"method":"patchmerger","keep_rate":0.7,"layers":[3,6,9]}`,
			Paper:   "Renggli et al. 2022, arXiv 2202.12015",
			Summary: "mix the tokens into fewer by learned queries", parse: parsePatchMerger},
		{Name: "sinkhorn", Kind: Learned, Defaults: `{"method":"sinkhorn","keep_rate":0.7,"layers":[3,6,9],"eps":1,"iterations":3}`,
			Paper:   "Haurum et al. 2023, arXiv 2308.04657",
			Summary: "share the tokens out among learned centres by optimal transport", parse: parseSinkhorn},
		{Name: "dpcknn", Kind: Learned, Defaults: `{"method":"dpcknn","keep_rate":0.7,"layers":[3,6,9],"k_neighbors":5,"equal_weight":false}`,
			Paper:   "Zeng et al. 2022, arXiv 2204.08680; Haurum et al. 2023, arXiv 2308.04657",
			Summary: "density peaks clustering, its weights learned; equal_weight=true for models that have none", parse: parseDPCKNN},
	}
}

func parseNone(data []byte) (Method, error) {
	var in struct {
		Method string `json:"method"`
	}
	return None{}, strict(data, &in)
}

// ParseJSON reads FUSION.json. Fields left out take their defaults (see Description); an unknown field or value
// is an error that names it and the known ones.
func ParseJSON(data []byte) (Method, error) {
	var head struct {
		Method *string `json:"method"`
	}
	if err := strictjson.Peek(data, &head); err != nil {
		return nil, fmt.Errorf("fusion: not a JSON object with a method: %w", err)
	}
	if head.Method == nil {
		return nil, fmt.Errorf(`fusion: "method" is missing: name one of %s`, strings.Join(names(), ", "))
	}
	for _, d := range Methods() {
		if d.Name == *head.Method {
			return d.parse(data)
		}
	}
	return nil, unknown("method", *head.Method, names())
}

// ParseSpec reads the short form of FUSION.json, "mctf:r=16,layers=1-11": the method, then fields.
// Lists are written with commas or as ranges, "layers=3,6,9"; the fields of tau with a dot,
// "tau.size=0".
func ParseSpec(spec string) (Method, error) {
	data, err := SpecJSON(spec)
	if err != nil {
		return nil, err
	}
	return ParseJSON(data)
}

// SpecJSON returns the FUSION.json that a SPEC stands for: with the fields that it names, and no others.
// Whether the method has such fields is for ParseJSON to say.
func SpecJSON(spec string) ([]byte, error) {
	name, rest, _ := strings.Cut(spec, ":")
	name = strings.TrimSpace(name)
	if !slices.Contains(names(), name) {
		return nil, unknown("method", name, names())
	}
	fields := map[string]any{"method": name}
	if rest = strings.TrimSpace(rest); rest == "" {
		return mustJSON(fields), nil
	}
	lists := map[string][]any{}
	var key string
	for part := range strings.SplitSeq(rest, ",") {
		value := strings.TrimSpace(part)
		if k, v, ok := strings.Cut(part, "="); ok {
			key, value = strings.TrimSpace(k), strings.TrimSpace(v)
			if _, twice := lists[key]; twice {
				return nil, fmt.Errorf("fusion: %q sets %s twice", spec, key)
			}
			lists[key] = []any{}
		}
		if strings.ContainsAny(value, "[]{}") {
			return nil, fmt.Errorf("fusion: %q in %q: a SPEC has lists without brackets, keep_rate=0.7,0.6, and fields of tau with a dot, tau.size=40; brackets are for FUSION.json", value, spec)
		}
		if low, high, ok := backwards(value); ok {
			return nil, fmt.Errorf("fusion: the range %s in %q runs backwards: write %s-%s", value, spec, high, low)
		}
		if key == "" || value == "" {
			return nil, fmt.Errorf("fusion: %q in %q: write METHOD:field=value,field=value, as in mctf:r=16,layers=1-11", part, spec)
		}
		if lists[key] = append(lists[key], values(value)...); len(lists[key]) > mostLayers {
			return nil, fmt.Errorf("fusion: %s has more than %d values in a SPEC of %d characters", key, mostLayers, len(spec))
		}
	}
	for key, list := range lists {
		var value any = list
		if len(list) == 1 && !strings.HasSuffix(key, "layers") {
			value = list[0]
		}
		if outer, inner, ok := strings.Cut(key, "."); ok {
			nested, _ := fields[outer].(map[string]any)
			if nested == nil {
				nested = map[string]any{}
			}
			nested[inner] = value
			fields[outer] = nested
			continue
		}
		if outer, ok := fields[key].(map[string]any); ok && outer != nil {
			return nil, fmt.Errorf("fusion: %q sets %s and fields of it", spec, key)
		}
		fields[key] = value
	}
	return mustJSON(fields), nil
}

// Parse reads FUSION.json text, or a SPEC such as "tome:r=8".
func Parse(text string) (Method, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return ParseJSON([]byte(text))
	}
	return ParseSpec(strings.TrimSpace(text))
}

// values reads one item of a list: a range of whole numbers, a number, true or false, or a word.
func values(text string) []any {
	if low, high, ok := strings.Cut(text, "-"); ok {
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 == nil && err2 == nil && from <= to && to-from <= mostLayers {
			var all []any
			for i := from; i <= to; i++ {
				all = append(all, i)
			}
			return all
		}
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err == nil {
		return []any{json.RawMessage(text)}
	}
	return []any{text}
}

// backwards reports whether text is a range of whole numbers from a higher one to a lower one.
func backwards(text string) (low, high string, is bool) {
	low, high, is = strings.Cut(text, "-")
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	return low, high, is && err1 == nil && err2 == nil && from > to
}

func names() []string {
	var all []string
	for _, d := range Methods() {
		all = append(all, d.Name)
	}
	return all
}

// strict decodes FUSION.json into out, a pointer to a struct, and refuses fields that out does not have.
func strict(data []byte, out any) error {
	err := strictjson.Decode(data, out)
	switch {
	case err == nil:
		return nil
	case strings.HasSuffix(err.Error(), "want a list"):
		return fmt.Errorf("fusion: %w (in a SPEC: 3,6,9 or 3-9; in FUSION.json: [3,6,9])", err)
	case strings.HasSuffix(err.Error(), "want an object"):
		return fmt.Errorf("fusion: %w (in a SPEC its fields with a dot, tau.size=40)", err)
	}
	return fmt.Errorf("fusion: %w", err)
}

func unknown(what, name string, all []string) error {
	return fmt.Errorf("fusion: unknown %s %q: known are %s", what, name, strings.Join(all, ", "))
}

// known checks a word against a list; empty means the default and is fine.
func known(field, value string, all ...string) error {
	if value == "" || slices.Contains(all, value) {
		return nil
	}
	return unknown(field, value, all)
}

func orDefault[T ~string](value, otherwise T) T {
	if value == "" {
		return otherwise
	}
	return value
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and raw JSON that was parsed reach this
	}
	return data
}
