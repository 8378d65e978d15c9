# A pointwise op, by docs/hacking.md: softsign, y = x / (1 + |x|), and its gradient. Each step has the number
# that it has there.

# 1. the rows
after compiler/ir/ops.def 'OP(sigmoid,' <<'END'
OP(softsign,          1, 1, POINTWISE,            "y = x / (1 + |x|)")
END
after compiler/ir/ops.def 'OP(sigmoid_grad,' <<'END'
OP(softsign_grad,     2, 1, POINTWISE,            "dx = dy (1 - |y|)^2; of dy, y")
END

# 2. shape
after compiler/graph/shapes.c '    case OP_sigmoid:' <<'END'
    case OP_softsign:
END
before compiler/graph/shapes.c '    case OP_sigmoid_grad:' <<'END'
    case OP_softsign_grad:
END

# 3. gradient
before compiler/graph/gradients.c '/* y = a x: dx = a dy. */' <<'END'
/* y = x / (1 + |x|): dy/dx = 1 / (1 + |x|)^2, and 1 - |y| = 1 / (1 + |x|). */
static void softsign_gradient(Tape *tape, const Op *op, ValueId dy)
{
    OpId id =
        tape_append(tape, OP_softsign_grad, (ValueId[]){dy, op->outputs[0]}, 2, op->inputs[0]);

    tape_send(tape, op->inputs[0], graph_output(tape->graph, id, 0));
}

END
after compiler/graph/gradients.c '    case OP_sigmoid: ' <<'END'
    case OP_softsign: softsign_gradient(tape, &op, dy); break;
END

# 4. the oracle, and how a model contains it
before tests/model/interpreter.c 'static void run_scale(' <<'END'
static void run_softsign(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] / (1 + fabs(call->x[0][i]));
}

static void run_softsign_grad(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] * pow(1 - fabs(call->x[1][i]), 2);
}

END
after tests/model/interpreter.c '[OP_sigmoid] =' <<'END'
    [OP_softsign] = run_softsign,
    [OP_softsign_grad] = run_softsign_grad,
END
after tests/model/maker.c '    case OP_sigmoid:' <<'END'
    case OP_softsign:
END
after tests/model/maker.c '    case OP_sigmoid_grad:' <<'END'
    case OP_softsign_grad:
END

# 5. its name in the language
before compiler/front/builtins.c 'static Datum build_max_pool(' <<'END'
static Datum build_softsign(Elaborator *e, const BuiltinCall *call)
{
    return append_unary(e, call, OP_softsign, &no_attributes);
}

END
after compiler/front/builtins.c '{"sigmoid", build' <<'END'
    {"softsign", build_softsign, true, {TENSOR("x")}},
END
after docs/language.md '| `relu(x)`' <<'END'
| `softsign(x)` | pointwise: `x / (1 + \|x\|)` |
END

# 6. its code
after runtime/points.def 'POINT(sigmoid,' <<'END'
POINT(softsign,      registers, 1, 0, atom,    "softsign($a)",        "$a / (1.0f + fabsf($a))",  "a / (1 + |a|)")
END
after runtime/points.def 'POINT(sigmoid_grad,' <<'END'
POINT(softsign_grad, registers, 2, 0, atom,    "softsign_grad($a, $b)", "$a * (1.0f - fabsf($b)) * (1.0f - fabsf($b))", "a * (1 - |b|)^2: a is dy, b is softsign's result")
END
after compiler/fuse/fuse_code.c '        return push_operation(builder, code, SNUG_POINT_sigmoid, a, 0, 0);' <<'END'
    case OP_softsign:
        a = emit_at(builder, code, in[0], where);
        return push_operation(builder, code, SNUG_POINT_softsign, a, 0, 0);
END
after compiler/fuse/fuse_code.c '        return push_operation(builder, code, SNUG_POINT_sigmoid_grad, a, b, 0);' <<'END'
    case OP_softsign_grad:
        a = emit_at(builder, code, in[0], where);
        b = emit_at(builder, code, in[1], where);
        return push_operation(builder, code, SNUG_POINT_softsign_grad, a, b, 0);
END

# 7. on the host
before runtime/host/host_lanes.inc 'static TARGET void LANES(sigmoid)(' <<'END'
static TARGET void LANES(softsign)(float *to, const float *a, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = a[i] / (1.0f + (a[i] < 0.0f ? -a[i] : a[i]));
}

static TARGET void LANES(softsign_grad)(float *to, const float *dy, const float *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float k = 1.0f - (y[i] < 0.0f ? -y[i] : y[i]);
        to[i] = dy[i] * k * k;
    }
}

END

# 8. tests
after tests/unit/host_reference.h 'case SNUG_POINT_sigmoid: ' <<'END'
        case SNUG_POINT_softsign: r[i] = r[p->a] / (1.0 + fabs(r[p->a])); break;
        case SNUG_POINT_softsign_grad: r[i] = r[p->a] * pow(1.0 - fabs(r[p->b]), 2); break;
END
after tests/unit/host_point_test.c '            int16_t g = code(&b, (SnugPoint){.op = SNUG_POINT_sigmoid, .a = s});' <<'END'
            g = code(&b, (SnugPoint){.op = SNUG_POINT_softsign, .a = g});
            g = code(&b, (SnugPoint){.op = SNUG_POINT_softsign_grad, .a = s, .b = g});
END
new tests/golden/fuse/softsign_bilinear.snug <<'END'
# softsign follows a batch norm, which is not stored, and is stored itself before it is interpolated: it does
# not commute with a mean.
#
# run: snug plan --dump=kernels %s | grep -E 'softsign\(|bilinear\('
# expect
#     map       softsign(conv1 * bn1.stats.scale + bn1.stats.shift)
#     map       bilinear(softsign_1, 2)
#     epilogue  softsign(core * bn1.stats.scale + bn1.stats.shift)
#     map       bilinear(softsign_1, 2)
# end

train {
    image  : picture[1, 32, 32, 3]
    points : landmarks[1, 4]
    x = bn(conv(normalize(image), 8, stride = 2) as conv1) as bn1
    heat = conv(bilinear(softsign(x), 2), 4, 1) as head
    minimize mse(heat, gaussian(points, sigma = 1.5))
    optimize adamw(lr = 1e-3)
}
END
