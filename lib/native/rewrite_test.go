package native_test

import (
	"strings"
	"testing"

	"tokenfuse/lib/native"
)

// program has one function of an operation with one result, one with two, and the main function, which stays.
const program = `module @m {
  func.func @tokenfuse_layer_norm_12(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> tensor<2x3xf32> {
    %0 = "stablehlo.constant"() { value = dense<0x7FC00000> : tensor<f32> } : () -> tensor<f32>
    %1 = "stablehlo.broadcast_in_dim"(%0) { broadcast_dimensions = array<i64> } : (tensor<f32>) -> tensor<2x3xf32>
    "stablehlo.return"(%1) : (tensor<2x3xf32>) -> ()
  }

  func.func @tokenfuse_attention_7(%arg0: tensor<1x2x1x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2xf32>) {
    "stablehlo.return"(%arg0, %arg0) : (tensor<f32>, tensor<f32>) -> ()
  }

  func.func @main(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> tensor<2x3xf32> {
    %2 = "func.call"(%arg0, %arg1) { callee = @tokenfuse_layer_norm_12 } : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
    "stablehlo.return"(%2) : (tensor<2x3xf32>) -> ()
  }
}
`

func TestRewrite(t *testing.T) {
	const want = `module @m {
  func.func @tokenfuse_layer_norm_12(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> tensor<2x3xf32> {
    %made:1 = "stablehlo.custom_call"(%arg0, %arg1) {call_target_name = "tokenfuse_layer_norm", api_version = 4 : i32} : (tensor<2x3xf32>, tensor<f32>) -> (tensor<2x3xf32>)
    func.return %made#0 : tensor<2x3xf32>
  }

  func.func @tokenfuse_attention_7(%arg0: tensor<1x2x1x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2xf32>) {
    %made:2 = "stablehlo.custom_call"(%arg0) {call_target_name = "tokenfuse_attention", api_version = 4 : i32} : (tensor<1x2x1x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2xf32>)
    func.return %made#0, %made#1 : tensor<1x2x4xf32>, tensor<1x2xf32>
  }

  func.func @main(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> tensor<2x3xf32> {
    %2 = "func.call"(%arg0, %arg1) { callee = @tokenfuse_layer_norm_12 } : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
    "stablehlo.return"(%2) : (tensor<2x3xf32>) -> ()
  }
}
`
	if got, calls, err := native.Rewrite(program); err != nil || calls != 2 || got != want {
		t.Errorf("%d calls, %v:\n%s\nwant 2:\n%s", calls, err, got, want)
	}
	without := program[strings.Index(program, "  func.func @main("):]
	for _, same := range []string{"", "\n", "module {}", without, strings.ReplaceAll(program, "func.func @tokenfuse_", "func.func @other_")} {
		if got, calls, err := native.Rewrite(same); err != nil || calls != 0 || got != same {
			t.Errorf("%d calls, %v: %q, want it as it was: %q", calls, err, got, same)
		}
	}
}

// TestRewriteUnknown: what a later version may write must not pass as it is, for it would give NaN.
func TestRewriteUnknown(t *testing.T) {
	for _, header := range []string{
		`func.func @tokenfuse_gelu_1() -> tensor<2xf32> {`,                                            // no operands
		`func.func @tokenfuse_gelu_1(%arg0: tensor<2xf32>) {`,                                         // no results
		`func.func @tokenfuse_gelu_1(%arg0: tensor<2xf32>) -> tensor<2xf32>`,                          // and no body
		`func.func @tokenfuse_gelu(%arg0: tensor<2xf32>) -> tensor<2xf32> {`,                          // no number
		`func.func @tokenfuse_gelu_1(%arg0: tensor<?xf32>) -> tensor<2xf32> {`,                        // of any length
		`func.func @tokenfuse_gelu_1(%arg0: tensor<2xf32> {a = 1}) -> tensor<2xf32> {`,                // attributes
		`func.func @tokenfuse_gelu_1(%arg0: tensor<2xf32>) -> (tensor<2xf32> {a = "b"}) {`,            // of results
		`func.func private @x() func.func @tokenfuse_gelu_1(%arg0: tensor<2xf32>) -> tensor<2xf32> {`, // something before
	} {
		if got, calls, err := native.Rewrite("module {\n  " + header + "\n  }\n}\n"); err == nil || got != "" || calls != 0 || !strings.Contains(err.Error(), header) {
			t.Errorf("%d calls, %v, %q, want an error that shows %s", calls, err, got, header)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{"", program, strings.ReplaceAll(program, "  }\n", ""), program[:100], strings.ReplaceAll(program, "\n", "\r\n"),
		strings.Replace(program, "tensor<f32>)", "tensor<f32>, )", 1), "func.func @tokenfuse_", "  func.func @tokenfuse_a_1(%a: tensor<f32>) -> () {"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, program string) {
		got, calls, err := native.Rewrite(program)
		if err != nil {
			if got != "" || calls != 0 {
				t.Errorf("%d calls and %q beside the error %v", calls, got, err)
			}
			return
		}
		if !strings.Contains(program, "func.func @tokenfuse_") && (got != program || calls != 0) {
			t.Errorf("%d calls, %q, want it as it was: %q", calls, got, program)
		}
		const call = `"stablehlo.custom_call"`
		if n := strings.Count(got, call); n != calls && !strings.Contains(program, call) {
			t.Errorf("%d calls, and %d are written: %q", calls, n, got)
		}
		// Functions that it does not replace stay, each line as it was.
		if calls == 0 && got != program {
			t.Errorf("no calls, but another program: %q, want %q", got, program)
		}
	})
}
