/* sample: the program of models/sample.snug, written by snug 0.1.0.
 *
 * All memory is one allocation, planned to the byte. These tables say what lies where in
 * it and what runs on it; runtime/program.h has their types.
 *
 *     buffers      bytes at an offset: by class, and in it in order of address
 *     kernels      what can run: its args, and as a formula what was fused into it
 *     micro_step   launches of kernels on buffers, in order; likewise update, evaluate, init
 *     params       the parameters: where each of their forms is
 *     program      all of it, with the defaults of the training
 *
 * A buffer of the arena has its life beside it, [first, last): from the step that writes it
 * first until just after the step that reads it last. Steps are numbered as by --dump=plan;
 * each launch begins with its own. Buffers of a segment that share bytes stand together, and
 * no two of them live at once, but where one takes over the bytes of another: the step that
 * reads the old one last writes the new one, each element after it was read.
 *
 * A launch reads, updates (reads and adds to) and writes buffers, as its kernel's args say;
 * scratch is memory for the one launch.
 *
 * .line is a line of models/sample.snug where no other file is named.
 */
#include "runtime/program.h"

#include "sample_plan.h" /* plan.html */

/* ==== batch 1, image 64x64, host in f32: 262.3 KiB ====
 *
 *     weights                0 ..       12544     12.3 KiB  trained parameters
 *     state              12544 ..       13568      1.0 KiB  running statistics
 *     gradients          13568 ..       26112     12.3 KiB  summed until the next update
 *     moments            26112 ..       51200     24.5 KiB  of AdamW; params has their offsets
 *     averages           51200 ..       64768     13.3 KiB  of parameters, for evaluation
 *     inputs             64768 ..       77824     12.8 KiB  the batch, scalars
 *     arena              77824 ..      268544    186.3 KiB  what lives within a segment
 */

enum { /* buffers */
    image, stem_conv_weight, stem_conv, stem_bn_stats_partials, stem_conv_workspace,
    stem_bn_weight, stem_bn_bias, stem_bn_running_mean, stem_bn_running_var, stem_bn_stats,
    block_conv_weight, block_conv, block_bn_stats_partials, block_conv_workspace,
    block_bn_weight, block_bn_bias, block_bn_running_mean, block_bn_running_var, block_bn_stats,
    relu_2, relu_2_workspace, head_weight, head_bias, head, head_conv_workspace, points, mse_1,
    mse_1_workspace, image_weights, scalars, loss_map_weight, d_head, d_head_workspace,
    d_head_bias_partials, d_head_bias_workspace, head_bias_grad, head_weight_grad,
    d_head_weight_workspace, d_add_1, d_block_bn_stats_partials, d_relu_2_workspace,
    block_bn_weight_grad, block_bn_bias_grad, d_block_bn_stats, block_conv_weight_grad,
    d_block_conv_weight_workspace, d_stem_bn, d_stem_bn_stats_partials, d_relu_1_workspace,
    stem_bn_weight_grad, stem_bn_bias_grad, d_stem_bn_stats, stem_conv_weight_grad,
    d_stem_conv_weight_workspace, stem_bn_weight_ema, stem_bn_bias_ema, stem_bn_running_mean_ema,
    stem_bn_running_var_ema, stem_bn_stats_2, stem_conv_weight_ema, relu_1,
    stem_conv_workspace_2, block_bn_weight_ema, block_bn_bias_ema, block_bn_running_mean_ema,
    block_bn_running_var_ema, block_bn_stats_2, block_conv_weight_ema, relu_2_2,
    block_conv_workspace_2, head_weight_ema, head_bias_ema, head_2, head_conv_workspace_2, peaks,
    peaks_workspace,
};

static const SnugBuffer buffers[] = {
    /* ---- weights: 12.3 KiB ---- */

    [stem_conv_weight]              = {.offset =      0, .bytes =   1792,
        .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6,
        .name = "stem.conv.weight"},
    [stem_bn_weight]                = {.offset =   1792, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.weight"},
    [stem_bn_bias]                  = {.offset =   2048, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.bias"},
    [block_conv_weight]             = {.offset =   2304, .bytes =   9216,
        .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6,
        .name = "block.conv.weight"},
    [block_bn_weight]               = {.offset =  11520, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.weight"},
    [block_bn_bias]                 = {.offset =  11776, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.bias"},
    [head_weight]                   = {.offset =  12032, .bytes =    256,
        .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13, .name = "head.weight"},
    [head_bias]                     = {.offset =  12288, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13, .name = "head.bias"},

    /* ---- state: 1.0 KiB ---- */

    [stem_bn_running_mean]          = {.offset =  12544, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.running_mean"},
    [stem_bn_running_var]           = {.offset =  12800, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.running_var"},
    [block_bn_running_mean]         = {.offset =  13056, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.running_mean"},
    [block_bn_running_var]          = {.offset =  13312, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.running_var"},

    /* ---- gradients: 12.3 KiB ---- */

    [stem_conv_weight_grad]         = {.offset =  13568, .bytes =   1792,
        .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6,
        .name = "stem.conv.weight.grad"},
    [stem_bn_weight_grad]           = {.offset =  15360, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.weight.grad"},
    [stem_bn_bias_grad]             = {.offset =  15616, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.bias.grad"},
    [block_conv_weight_grad]        = {.offset =  15872, .bytes =   9216,
        .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6,
        .name = "block.conv.weight.grad"},
    [block_bn_weight_grad]          = {.offset =  25088, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.weight.grad"},
    [block_bn_bias_grad]            = {.offset =  25344, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.bias.grad"},
    [head_weight_grad]              = {.offset =  25600, .bytes =    256,
        .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13,
        .name = "head.weight.grad"},
    [head_bias_grad]                = {.offset =  25856, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13,
        .name = "head.bias.grad"},

    /* ---- averages: 13.3 KiB ---- */

    [stem_conv_weight_ema]          = {.offset =  51200, .bytes =   1792,
        .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6,
        .name = "stem.conv.weight.ema"},
    [stem_bn_weight_ema]            = {.offset =  52992, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.weight.ema"},
    [stem_bn_bias_ema]              = {.offset =  53248, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.bias.ema"},
    [stem_bn_running_mean_ema]      = {.offset =  53504, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.running_mean.ema"},
    [stem_bn_running_var_ema]       = {.offset =  53760, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.running_var.ema"},
    [block_conv_weight_ema]         = {.offset =  54016, .bytes =   9216,
        .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6,
        .name = "block.conv.weight.ema"},
    [block_bn_weight_ema]           = {.offset =  63232, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.weight.ema"},
    [block_bn_bias_ema]             = {.offset =  63488, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.bias.ema"},
    [block_bn_running_mean_ema]     = {.offset =  63744, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.running_mean.ema"},
    [block_bn_running_var_ema]      = {.offset =  64000, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.running_var.ema"},
    [head_weight_ema]               = {.offset =  64256, .bytes =    256,
        .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13,
        .name = "head.weight.ema"},
    [head_bias_ema]                 = {.offset =  64512, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13, .name = "head.bias.ema"},

    /* ---- inputs: 12.8 KiB ---- */

    [image]                         = {.offset =  64768, .bytes =  12288,
        .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3, .line = 9, .name = "image"},
    [points]                        = {.offset =  77056, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3, .line = 10, .name = "points"},
    [image_weights]                 = {.offset =  77312, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 1}, .pitch = 1, .line = 15, .name = "image_weights"},
    [scalars]                       = {.offset =  77568, .bytes =    256,
        .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .name = "scalars"},

    /* ---- arena of micro_step: 186.3 KiB ---- */

    /* 77824 .. 202240, 121.5 KiB: 22 buffers in turn */
    [stem_conv_workspace]           = {.offset =  77824, .bytes =  82688, /* [ 0,  1) */
        .type = SNUG_U8, .line = 6, .name = "stem.conv.workspace"},
    [block_conv_workspace]          = {.offset =  77824, .bytes =  62976, /* [ 2,  3) */
        .type = SNUG_U8, .line = 6, .name = "block.conv.workspace"},
    [relu_2_workspace]              = {.offset =  77824, .bytes =  24832, /* [ 4,  5) */
        .type = SNUG_U8, .line = 12, .name = "relu_2.workspace"},
    [head_conv_workspace]           = {.offset =  77824, .bytes =  33792, /* [ 5,  6) */
        .type = SNUG_U8, .line = 13, .name = "head.conv.workspace"},
    [mse_1_workspace]               = {.offset =  77824, .bytes =  17920, /* [ 6,  7) */
        .type = SNUG_U8, .line = 15, .name = "mse_1.workspace"},
    [d_head_workspace]              = {.offset =  77824, .bytes =  17920, /* [ 8,  9) */
        .type = SNUG_U8, .line = 13, .name = "d_head.workspace"},
    [d_head_bias_workspace]         = {.offset =  77824, .bytes =  20736, /* [ 9, 10) */
        .type = SNUG_U8, .line = 13, .name = "d_head.bias.workspace"},
    [d_head_weight_workspace]       = {.offset =  77824, .bytes =  30976, /* [11, 12) */
        .type = SNUG_U8, .line = 13, .name = "d_head.weight.workspace"},
    [d_relu_2_workspace]            = {.offset =  77824, .bytes =  70656, /* [12, 13) */
        .type = SNUG_U8, .line = 12, .name = "d_relu_2.workspace"},
    [d_block_conv_weight_workspace] = {.offset =  77824, .bytes = 106752, /* [14, 15) */
        .type = SNUG_U8, .line = 6, .name = "d_block.conv.weight.workspace"},
    [d_relu_1_workspace]            = {.offset =  77824, .bytes = 124416, /* [15, 16) */
        .type = SNUG_U8, .line = 11, .name = "d_relu_1.workspace"},
    [d_stem_conv_weight_workspace]  = {.offset =  77824, .bytes = 103936, /* [17, 18) */
        .type = SNUG_U8, .line = 6, .name = "d_stem.conv.weight.workspace"},
    [mse_1]                         = {.offset =  95744, .bytes =    256, /* [ 6,  8) */
        .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 15, .name = "mse_1"},
    [loss_map_weight]               = {.offset =  96000, .bytes =    256, /* [ 7,  9) */
        .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 15,
        .name = "loss.map_weight"},
    [d_head_bias_partials]          = {.offset =  98560, .bytes =    256, /* [ 9, 11) */
        .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4, .line = 13,
        .name = "d_head.bias.partials"},
    [head]                          = {.offset = 111616, .bytes =   4096, /* [ 5,  9) */
        .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "head"},
    [block_bn_stats_partials]       = {.offset = 140800, .bytes =    256, /* [ 2,  4) */
        .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.stats.partials"},
    [d_head]                        = {.offset = 148480, .bytes =   4096, /* [ 8, 13) */
        .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "d_head"},
    [block_bn_stats]                = {.offset = 152576, .bytes =    256, /* [ 3, 14) */
        .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.stats"},
    [d_block_bn_stats_partials]     = {.offset = 152832, .bytes =    256, /* [12, 14) */
        .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6,
        .name = "d_block.bn.stats.partials"},
    [stem_bn_stats_partials]        = {.offset = 160512, .bytes =    256, /* [ 0,  2) */
        .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.stats.partials"},
    [d_stem_bn_stats]               = {.offset = 181760, .bytes =    256, /* [16, 18) */
        .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16, .line = 6,
        .name = "d_stem.bn.stats"},

    [stem_conv]                     = {.offset = 202240, .bytes =  16384, /* [ 0, 18) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "stem.conv"},
    [block_conv]                    = {.offset = 218624, .bytes =  16384, /* [ 2, 16) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "block.conv"},

    /* 235008 .. 251392, 16.0 KiB: 2 buffers in turn */
    [relu_2]                        = {.offset = 235008, .bytes =  16384, /* [ 4, 13) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "relu_2"},
    [d_add_1]                       = {.offset = 235008, .bytes =  16384, /* [12, 16) */
        /* takes over the bytes of relu_2 */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "d_add_1"},

    [d_stem_bn]                     = {.offset = 251392, .bytes =  16384, /* [15, 18) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "d_stem.bn"},
    [stem_bn_stats]                 = {.offset = 267776, .bytes =    256, /* [ 1, 17) */
        .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.stats"},
    [d_block_bn_stats]              = {.offset = 268032, .bytes =    256, /* [13, 16) */
        .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16, .line = 6,
        .name = "d_block.bn.stats"},
    [d_stem_bn_stats_partials]      = {.offset = 268288, .bytes =    256, /* [15, 17) */
        .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6,
        .name = "d_stem.bn.stats.partials"},

    /* ---- arena of evaluate: 105.0 KiB ---- */

    /* 77824 .. 168704, 88.8 KiB: 8 buffers in turn */
    [stem_conv_workspace_2]         = {.offset =  77824, .bytes =  90880, /* [ 1,  2) */
        .type = SNUG_U8, .line = 6, .name = "stem.conv.workspace"},
    [block_conv_workspace_2]        = {.offset =  77824, .bytes =  67072, /* [ 3,  4) */
        .type = SNUG_U8, .line = 6, .name = "block.conv.workspace"},
    [head_conv_workspace_2]         = {.offset =  77824, .bytes =  33792, /* [ 4,  5) */
        .type = SNUG_U8, .line = 13, .name = "head.conv.workspace"},
    [peaks_workspace]               = {.offset =  77824, .bytes =   4096, /* [ 5,  6) */
        .type = SNUG_U8, .line = 13, .name = "peaks.workspace"},
    [peaks]                         = {.offset =  81920, .bytes =    256, /* [ 5,  6) */
        .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3, .line = 13, .name = "peaks"},
    [head_2]                        = {.offset = 111616, .bytes =   4096, /* [ 4,  6) */
        .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "head"},
    [relu_2_2]                      = {.offset = 144896, .bytes =  16384, /* [ 3,  5) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "relu_2"},
    [block_bn_stats_2]              = {.offset = 161280, .bytes =    256, /* [ 2,  4) */
        .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6,
        .name = "block.bn.stats"},

    [relu_1]                        = {.offset = 168704, .bytes =  16384, /* [ 1,  4) */
        .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 11, .name = "relu_1"},
    [stem_bn_stats_2]               = {.offset = 185088, .bytes =    256, /* [ 0,  2) */
        .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6,
        .name = "stem.bn.stats"},
};

enum { /* kernels */
    conv3x3_s4_3_16_16x16, bn_combine_16_2x2, conv3x3_s1_16_16_16x16, map_16_16x16,
    conv1x1_s1_16_4_16x16, heatmap_loss_4_16x16, loss_combine_4_1x1, heatmap_loss_grad_4_16x16,
    reduce_4_16x16, sum_combine_4_2x1, wgrad1x1_s1_16_4_16x16, dgrad1x1_s1_16_4_16x16,
    bn_grad_combine_16_2x2, wgrad3x3_s1_16_16_16x16, dgrad3x3_s1_16_16_16x16,
    wgrad3x3_s4_3_16_16x16, grad_norm, adamw, bn_frozen_16_1x1, conv3x3_s4_3_16_16x16_b,
    conv3x3_s1_16_16_16x16_b, decode_4_16x16,
};

static const SnugKernel kernels[] = {
    [conv3x3_s4_3_16_16x16] = { /* 1 launch */
        .name = "conv3x3_s4_3_16_16x16", .kind = SNUG_KERNEL_conv,
        .arg_count = 4, .output_arg = 2, .weight_arg = 1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3},
            [2] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 4,
            .code = (const SnugPoint[]){
                /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant,
                          .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant,
                          .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 1,
             .out.code = (const SnugPoint[]){
                /* core; moments -> a3 */
                /* r0  */ {.op = SNUG_POINT_core},
            }},
        },
        .reduction_count = 1,
        .reductions[0] = {.kind = SNUG_REDUCE_moments, .arg = 3, .rows_per_partial = 8},
        .workspace_bytes = 82688,
    },
    [bn_combine_16_2x2] = { /* 2 launches */
        .name = "bn_combine_16_2x2", .kind = SNUG_KERNEL_bn_combine,
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [3] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
            [4] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
            [5] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
        },
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 256, .frozen = 0},
    },
    [conv3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "conv3x3_s1_16_16_16x16", .kind = SNUG_KERNEL_conv,
        .arg_count = 5, .output_arg = 3, .weight_arg = 2,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [4] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16},
                   .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 5,
            .code = (const SnugPoint[]){
                /* relu(a0 * a1.scale + a1.shift) */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_relu, .a = 3},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 1,
             .out.code = (const SnugPoint[]){
                /* core; moments -> a4 */
                /* r0  */ {.op = SNUG_POINT_core},
            }},
        },
        .reduction_count = 1,
        .reductions[0] = {.kind = SNUG_REDUCE_moments, .arg = 4, .rows_per_partial = 8},
        .workspace_bytes = 62976,
    },
    [map_16_16x16] = { /* 1 launch */
        .name = "map_16_16x16", .kind = SNUG_KERNEL_map,
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [4] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .window.y = {1, 16, 16, 16},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 11,
             .out.code = (const SnugPoint[]){
                /* relu(a0 * a1.scale + a1.shift + relu(a2 * a3.scale + a3.shift)) */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r5  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 2},
                /* r6  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 3},
                /* r7  */ {.op = SNUG_POINT_fma, .a = 4, .b = 5, .d = 6},
                /* r8  */ {.op = SNUG_POINT_relu, .a = 7},
                /* r9  */ {.op = SNUG_POINT_add, .a = 3, .b = 8},
                /* r10 */ {.op = SNUG_POINT_relu, .a = 9},
            }},
        },
        .workspace_bytes = 24832,
    },
    [conv1x1_s1_16_4_16x16] = { /* 2 launches */
        .name = "conv1x1_s1_16_4_16x16", .kind = SNUG_KERNEL_conv,
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
        },
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {
            .count = 1,
            .code = (const SnugPoint[]){
                /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 4, .out.count = 3,
             .out.code = (const SnugPoint[]){
                /* core + a2 */
                /* r0  */ {.op = SNUG_POINT_core},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 0},
                /* r2  */ {.op = SNUG_POINT_add, .a = 0, .b = 1},
            }},
        },
        .workspace_bytes = 33792,
    },
    [heatmap_loss_4_16x16] = { /* 1 launch */
        .name = "heatmap_loss_4_16x16", .kind = SNUG_KERNEL_heatmap_loss,
        .arg_count = 3, .output_arg = 2, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            [2] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
        },
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F},
        .workspace_bytes = 17920,
    },
    [loss_combine_4_1x1] = { /* 1 launch */
        .name = "loss_combine_4_1x1", .kind = SNUG_KERNEL_loss_combine,
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 1}, .pitch = 1},
            [3] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
            [4] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
        },
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F},
    },
    [heatmap_loss_grad_4_16x16] = { /* 1 launch */
        .name = "heatmap_loss_grad_4_16x16", .kind = SNUG_KERNEL_heatmap_loss_grad,
        .arg_count = 4, .output_arg = 3, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
        },
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F},
        .workspace_bytes = 17920,
    },
    [reduce_4_16x16] = { /* 1 launch */
        .name = "reduce_4_16x16", .kind = SNUG_KERNEL_map,
        .arg_count = 2, .output_arg = -1, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [1] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4},
        },
        .window.y = {1, 16, 16, 4},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 4, .out.count = 1,
             .out.code = (const SnugPoint[]){
                /* a0; sum -> a1 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        },
        .reduction_count = 1,
        .reductions[0] = {.kind = SNUG_REDUCE_sum, .arg = 1, .rows_per_partial = 8},
        .workspace_bytes = 20736,
    },
    [sum_combine_4_2x1] = { /* 1 launch */
        .name = "sum_combine_4_2x1", .kind = SNUG_KERNEL_sum_combine,
        .arg_count = 2, .output_arg = 1, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4},
            [1] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 4},
                   .pitch = 4},
        },
    },
    [wgrad1x1_s1_16_4_16x16] = { /* 1 launch */
        .name = "wgrad1x1_s1_16_4_16x16", .kind = SNUG_KERNEL_conv_wgrad,
        .arg_count = 3, .output_arg = 2, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [2] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {4, 1, 1, 16},
                   .pitch = 16},
        },
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {
            .count = 1,
            .code = (const SnugPoint[]){
                /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            },
        },
        .in[1] = {
            .count = 1,
            .code = (const SnugPoint[]){
                /* a1 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 1, .factor = 1},
            },
        },
        .workspace_bytes = 30976,
    },
    [dgrad1x1_s1_16_4_16x16] = { /* 1 launch */
        .name = "dgrad1x1_s1_16_4_16x16", .kind = SNUG_KERNEL_conv_dgrad,
        .arg_count = 7, .output_arg = 5, .weight_arg = 1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [4] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [5] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [6] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {
            .count = 1,
            .code = (const SnugPoint[]){
                /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 9,
             .out.code = (const SnugPoint[]){
                /* t1 = (a3.mean * -1 + a2) * a3.rstd; mask(core, a4); sum and sum * t1 -> a6 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 0},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 1},
                /* r3  */ {.op = SNUG_POINT_constant, .constants = {-1.0F, -1.0F, -1.0F, -1.0F}},
                /* r4  */ {.op = SNUG_POINT_fma, .a = 1, .b = 3, .d = 0},
                /* r5  */ {.op = SNUG_POINT_multiply, .a = 4, .b = 2},
                /* r6  */ {.op = SNUG_POINT_core},
                /* r7  */ {.op = SNUG_POINT_load, .arg = 4, .factor = 1},
                /* r8  */ {.op = SNUG_POINT_mask, .a = 6, .b = 7},
            }},
        },
        .reduction_count = 1,
        .reductions[0] = {.kind = SNUG_REDUCE_grad, .with = 5, .arg = 6, .rows_per_partial = 8},
        .workspace_bytes = 70656,
    },
    [bn_grad_combine_16_2x2] = { /* 2 launches */
        .name = "bn_grad_combine_16_2x2", .kind = SNUG_KERNEL_bn_grad_combine,
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [3] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
            [4] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
            [5] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
        },
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 256, .frozen = 0},
    },
    [wgrad3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "wgrad3x3_s1_16_16_16x16", .kind = SNUG_KERNEL_conv_wgrad,
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            [4] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [5] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {16, 3, 3, 16},
                   .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16},
                   .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 5,
            .code = (const SnugPoint[]){
                /* relu(a0 * a1.scale + a1.shift) */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_relu, .a = 3},
            },
        },
        .in[1] = {
            .count = 7,
            .code = (const SnugPoint[]){
                /* a2 * a3.A + a4 * a3.B + a3.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 4, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            },
        },
        .workspace_bytes = 106752,
    },
    [dgrad3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "dgrad3x3_s1_16_16_16x16", .kind = SNUG_KERNEL_conv_dgrad,
        .arg_count = 8, .output_arg = 6, .weight_arg = 3,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            [4] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [5] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [6] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [7] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16},
                   .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 7,
            .code = (const SnugPoint[]){
                /* a0 * a1.A + a2 * a1.B + a1.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 13,
             .out.code = (const SnugPoint[]){
                /* t1 = (a5.mean * -1 + a4) * a5.rstd; mask(a0 + core, a4 * a5.scale + a5.shift);
                 * sum and sum * t1 -> a7 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 4, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 5, .row = 0},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 5, .row = 1},
                /* r3  */ {.op = SNUG_POINT_constant, .constants = {-1.0F, -1.0F, -1.0F, -1.0F}},
                /* r4  */ {.op = SNUG_POINT_fma, .a = 1, .b = 3, .d = 0},
                /* r5  */ {.op = SNUG_POINT_multiply, .a = 4, .b = 2},
                /* r6  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r7  */ {.op = SNUG_POINT_core},
                /* r8  */ {.op = SNUG_POINT_add, .a = 6, .b = 7},
                /* r9  */ {.op = SNUG_POINT_channel, .arg = 5, .row = 2},
                /* r10 */ {.op = SNUG_POINT_channel, .arg = 5, .row = 3},
                /* r11 */ {.op = SNUG_POINT_fma, .a = 0, .b = 9, .d = 10},
                /* r12 */ {.op = SNUG_POINT_mask, .a = 8, .b = 11},
            }},
        },
        .reduction_count = 1,
        .reductions[0] = {.kind = SNUG_REDUCE_grad, .with = 5, .arg = 7, .rows_per_partial = 8},
        .workspace_bytes = 124416,
    },
    [wgrad3x3_s4_3_16_16x16] = { /* 1 launch */
        .name = "wgrad3x3_s4_3_16_16x16", .kind = SNUG_KERNEL_conv_wgrad,
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [4] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {16, 3, 3, 3},
                   .pitch = 3},
        },
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 4,
            .code = (const SnugPoint[]){
                /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant,
                          .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant,
                          .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            },
        },
        .in[1] = {
            .count = 7,
            .code = (const SnugPoint[]){
                /* a1 * a2.A + a3 * a2.B + a2.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 1, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 3, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            },
        },
        .workspace_bytes = 103936,
    },
    [grad_norm] = { /* 1 launch */
        .name = "grad_norm", .kind = SNUG_KERNEL_grad_norm,
        .arg_count = 1, .output_arg = -1, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
        },
    },
    [adamw] = { /* 1 launch */
        .name = "adamw", .kind = SNUG_KERNEL_adamw,
        .arg_count = 1, .output_arg = -1, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16},
                   .pitch = 16},
        },
    },
    [bn_frozen_16_1x1] = { /* 2 launches */
        .name = "bn_frozen_16_1x1", .kind = SNUG_KERNEL_bn_frozen,
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [3] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            [4] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
        },
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 0, .frozen = 1},
    },
    [conv3x3_s4_3_16_16x16_b] = { /* 1 launch */
        .name = "conv3x3_s4_3_16_16x16_b", .kind = SNUG_KERNEL_conv,
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 4,
            .code = (const SnugPoint[]){
                /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant,
                          .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant,
                          .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 5,
             .out.code = (const SnugPoint[]){
                /* relu(core * a2.scale + a2.shift) */
                /* r0  */ {.op = SNUG_POINT_core},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_relu, .a = 3},
            }},
        },
        .workspace_bytes = 90880,
    },
    [conv3x3_s1_16_16_16x16_b] = { /* 1 launch */
        .name = "conv3x3_s1_16_16_16x16_b", .kind = SNUG_KERNEL_conv,
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            [1] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            [2] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            [3] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16},
                   .y = {1, 16, 16, 16}},
        .in[0] = {
            .count = 1,
            .code = (const SnugPoint[]){
                /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            },
        },
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 7,
             .out.code = (const SnugPoint[]){
                /* relu(core * a2.scale + a2.shift + a0) */
                /* r0  */ {.op = SNUG_POINT_core},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r5  */ {.op = SNUG_POINT_add, .a = 3, .b = 4},
                /* r6  */ {.op = SNUG_POINT_relu, .a = 5},
            }},
        },
        .workspace_bytes = 67072,
    },
    [decode_4_16x16] = { /* 1 launch */
        .name = "decode_4_16x16", .kind = SNUG_KERNEL_decode,
        .arg_count = 2, .output_arg = 1, .weight_arg = -1,
        .args = (const SnugArg[]){
            [0] = {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            [1] = {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
        },
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F},
        .workspace_bytes = 4096,
    },
};

/* ---- micro_step: forward, loss, backward: gradients += those of one batch ---- */
static const SnugLaunch micro_step[] = {
    { /* 0: f32 1x16x16x16 at 202240 */
        .label = "stem.conv", .kernel = conv3x3_s4_3_16_16x16, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ image, stem_conv_weight,
            /* writes  */ stem_conv, stem_bn_stats_partials,
            /* scratch */ stem_conv_workspace,
        },
    },
    { /* 1: f32 1x1x4x16 at 267776 */
        .label = "stem.bn.stats", .kernel = bn_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ stem_bn_stats_partials, stem_bn_weight, stem_bn_bias,
            /* updates */ stem_bn_running_mean, stem_bn_running_var,
            /* writes  */ stem_bn_stats,
        },
    },
    { /* 2: f32 1x16x16x16 at 218624 */
        .label = "block.conv", .kernel = conv3x3_s1_16_16_16x16, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ stem_conv, stem_bn_stats, block_conv_weight,
            /* writes  */ block_conv, block_bn_stats_partials,
            /* scratch */ block_conv_workspace,
        },
    },
    { /* 3: f32 1x1x4x16 at 152576 */
        .label = "block.bn.stats", .kernel = bn_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ block_bn_stats_partials, block_bn_weight, block_bn_bias,
            /* updates */ block_bn_running_mean, block_bn_running_var,
            /* writes  */ block_bn_stats,
        },
    },
    { /* 4: f32 1x16x16x16 at 235008 */
        .label = "relu_2", .kernel = map_16_16x16, .line = 12,
        .buffers = (const int32_t[]){
            /* reads   */ block_conv, block_bn_stats, stem_conv, stem_bn_stats,
            /* writes  */ relu_2,
            /* scratch */ relu_2_workspace,
        },
    },
    { /* 5: f32 1x16x16x4 at 111616 */
        .label = "head.conv", .kernel = conv1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ relu_2, head_weight, head_bias,
            /* writes  */ head,
            /* scratch */ head_conv_workspace,
        },
    },
    { /* 6: f32 1x1x1x4 at 95744 */
        .label = "mse_1", .kernel = heatmap_loss_4_16x16, .line = 15,
        .buffers = (const int32_t[]){
            /* reads   */ head, points,
            /* writes  */ mse_1,
            /* scratch */ mse_1_workspace,
        },
    },
    { /* 7: f32 1x1x1x4 at 96000 */
        .label = "loss", .kernel = loss_combine_4_1x1, .line = 15,
        .buffers = (const int32_t[]){
            /* reads   */ mse_1, points, image_weights,
            /* updates */ scalars,
            /* writes  */ loss_map_weight,
        },
    },
    { /* 8: f32 1x16x16x4 at 148480 */
        .label = "d_head", .kernel = heatmap_loss_grad_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ head, points, loss_map_weight,
            /* writes  */ d_head,
            /* scratch */ d_head_workspace,
        },
    },
    { /* 9 */
        .label = "d_head.bias", .kernel = reduce_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ d_head,
            /* writes  */ d_head_bias_partials,
            /* scratch */ d_head_bias_workspace,
        },
    },
    { /* 10: += f32 1x1x1x4 at 25856 */
        .label = "d_head.bias", .kernel = sum_combine_4_2x1, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ d_head_bias_partials,
            /* updates */ head_bias_grad,
        },
    },
    { /* 11: += f32 4x1x1x16 at 25600 */
        .label = "d_head.weight", .kernel = wgrad1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ relu_2, d_head,
            /* updates */ head_weight_grad,
            /* scratch */ d_head_weight_workspace,
        },
    },
    { /* 12: f32 1x16x16x16 at 235008 */
        .label = "d_relu_2", .kernel = dgrad1x1_s1_16_4_16x16, .line = 12,
        .buffers = (const int32_t[]){
            /* reads   */ d_head, head_weight, block_conv, block_bn_stats, relu_2,
            /* writes  */ d_add_1, d_block_bn_stats_partials,
            /* scratch */ d_relu_2_workspace,
        },
    },
    { /* 13: f32 1x1x3x16 at 268032 */
        .label = "d_block.bn.stats", .kernel = bn_grad_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ d_block_bn_stats_partials, block_bn_stats, block_bn_weight,
            /* updates */ block_bn_weight_grad, block_bn_bias_grad,
            /* writes  */ d_block_bn_stats,
        },
    },
    { /* 14: += f32 16x3x3x16 at 15872 */
        .label = "d_block.conv.weight", .kernel = wgrad3x3_s1_16_16_16x16, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ stem_conv, stem_bn_stats, d_add_1, d_block_bn_stats, block_conv,
            /* updates */ block_conv_weight_grad,
            /* scratch */ d_block_conv_weight_workspace,
        },
    },
    { /* 15: f32 1x16x16x16 at 251392 */
        .label = "d_relu_1", .kernel = dgrad3x3_s1_16_16_16x16, .line = 11,
        .buffers = (const int32_t[]){
            /* reads   */ d_add_1, d_block_bn_stats, block_conv, block_conv_weight, stem_conv,
                          stem_bn_stats,
            /* writes  */ d_stem_bn, d_stem_bn_stats_partials,
            /* scratch */ d_relu_1_workspace,
        },
    },
    { /* 16: f32 1x1x3x16 at 181760 */
        .label = "d_stem.bn.stats", .kernel = bn_grad_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ d_stem_bn_stats_partials, stem_bn_stats, stem_bn_weight,
            /* updates */ stem_bn_weight_grad, stem_bn_bias_grad,
            /* writes  */ d_stem_bn_stats,
        },
    },
    { /* 17: += f32 16x3x3x3 at 13568 */
        .label = "d_stem.conv.weight", .kernel = wgrad3x3_s4_3_16_16x16, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ image, d_stem_bn, d_stem_bn_stats, stem_conv,
            /* updates */ stem_conv_weight_grad,
            /* scratch */ d_stem_conv_weight_workspace,
        },
    },
};

/* ---- update: norm, clip, AdamW, averages: gradients = 0 ---- */
static const SnugLaunch update[] = {
    { /* 0: over params: reads gradients */
        .label = "grad_norm", .kernel = grad_norm,
        .buffers = (const int32_t[]){
            /* updates */ scalars,
        },
    },
    { /* 1: over params: updates weights, moments, averages; gradients = 0 */
        .label = "adamw", .kernel = adamw,
        .buffers = (const int32_t[]){
            /* updates */ scalars,
        },
    },
};

/* ---- evaluate: forward with averaged parameters, where there are any ---- */
static const SnugLaunch evaluate[] = {
    { /* 0: f32 1x1x4x16 at 185088 */
        .label = "stem.bn.stats", .kernel = bn_frozen_16_1x1, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ stem_bn_weight_ema, stem_bn_bias_ema, stem_bn_running_mean_ema,
                          stem_bn_running_var_ema,
            /* writes  */ stem_bn_stats_2,
        },
    },
    { /* 1: f32 1x16x16x16 at 168704 */
        .label = "stem.conv", .kernel = conv3x3_s4_3_16_16x16_b, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ image, stem_conv_weight_ema, stem_bn_stats_2,
            /* writes  */ relu_1,
            /* scratch */ stem_conv_workspace_2,
        },
    },
    { /* 2: f32 1x1x4x16 at 161280 */
        .label = "block.bn.stats", .kernel = bn_frozen_16_1x1, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ block_bn_weight_ema, block_bn_bias_ema, block_bn_running_mean_ema,
                          block_bn_running_var_ema,
            /* writes  */ block_bn_stats_2,
        },
    },
    { /* 3: f32 1x16x16x16 at 144896 */
        .label = "block.conv", .kernel = conv3x3_s1_16_16_16x16_b, .line = 6,
        .buffers = (const int32_t[]){
            /* reads   */ relu_1, block_conv_weight_ema, block_bn_stats_2,
            /* writes  */ relu_2_2,
            /* scratch */ block_conv_workspace_2,
        },
    },
    { /* 4: f32 1x16x16x4 at 111616 */
        .label = "head.conv", .kernel = conv1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ relu_2_2, head_weight_ema, head_bias_ema,
            /* writes  */ head_2,
            /* scratch */ head_conv_workspace_2,
        },
    },
    { /* 5: f32 1x1x4x3 at 81920 */
        .label = "peaks", .kernel = decode_4_16x16, .line = 13,
        .buffers = (const int32_t[]){
            /* reads   */ head_2,
            /* writes  */ peaks,
            /* scratch */ peaks_workspace,
        },
    },
};

static const SnugParam params[] = {
    {.name = "stem.conv.weight", .kind = SNUG_PARAM_conv_weight, .shape = {16, 3, 3, 3},
     .weight = 0, .grad = 13568, .m = 26112, .v = 38656, .ema = 51200, .half = -1,
     .init_scale = 0.11785113F, .decay = 1},
    {.name = "stem.bn.weight", .kind = SNUG_PARAM_bn_gamma, .shape = {1, 1, 1, 16},
     .weight = 1792, .grad = 15360, .m = 27904, .v = 40448, .ema = 52992, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "stem.bn.bias", .kind = SNUG_PARAM_bn_beta, .shape = {1, 1, 1, 16},
     .weight = 2048, .grad = 15616, .m = 28160, .v = 40704, .ema = 53248, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "stem.bn.running_mean", .kind = SNUG_PARAM_running_mean, .shape = {1, 1, 1, 16},
     .weight = 12544, .grad = -1, .m = -1, .v = -1, .ema = 53504, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "stem.bn.running_var", .kind = SNUG_PARAM_running_var, .shape = {1, 1, 1, 16},
     .weight = 12800, .grad = -1, .m = -1, .v = -1, .ema = 53760, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "block.conv.weight", .kind = SNUG_PARAM_conv_weight, .shape = {16, 3, 3, 16},
     .weight = 2304, .grad = 15872, .m = 28416, .v = 40960, .ema = 54016, .half = -1,
     .init_scale = 0.11785113F, .decay = 1},
    {.name = "block.bn.weight", .kind = SNUG_PARAM_bn_gamma, .shape = {1, 1, 1, 16},
     .weight = 11520, .grad = 25088, .m = 37632, .v = 50176, .ema = 63232, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "block.bn.bias", .kind = SNUG_PARAM_bn_beta, .shape = {1, 1, 1, 16},
     .weight = 11776, .grad = 25344, .m = 37888, .v = 50432, .ema = 63488, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "block.bn.running_mean", .kind = SNUG_PARAM_running_mean, .shape = {1, 1, 1, 16},
     .weight = 13056, .grad = -1, .m = -1, .v = -1, .ema = 63744, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "block.bn.running_var", .kind = SNUG_PARAM_running_var, .shape = {1, 1, 1, 16},
     .weight = 13312, .grad = -1, .m = -1, .v = -1, .ema = 64000, .half = -1,
     .init_scale = 0.0F, .decay = 0},
    {.name = "head.weight", .kind = SNUG_PARAM_conv_weight, .shape = {4, 1, 1, 16},
     .weight = 12032, .grad = 25600, .m = 38144, .v = 50688, .ema = 64256, .half = -1,
     .init_scale = 0.001F, .decay = 1},
    {.name = "head.bias", .kind = SNUG_PARAM_bias, .shape = {1, 1, 1, 4},
     .weight = 12288, .grad = 25856, .m = 38400, .v = 50944, .ema = 64512, .half = -1,
     .init_scale = 0.0F, .decay = 0},
};

static const SnugProgram program = {
    .version = 6,
    .model = "sample",
    .model_path = "models/sample.snug",
    .model_hash = "9d251174c3eaca5fc485abee921bdd78",
    .device = "host",
    .overrides = "",
    .host_threads = 2,
    .batch_size = 1, .image_height = 64, .image_width = 64, .image_channels = 3,
    .landmarks = 4,
    .storage = SNUG_F32,
    .total_bytes = 268544, .persistent_bytes = 77824,
    .budget_bytes = INT64_MAX, /* none was given */
    .plan_page = plan_page,
    .buffers = buffers, .buffer_count = 76,
    .kernels = kernels, .kernel_count = 22,
    .segments[SNUG_SEGMENT_micro_step] = {.launches = micro_step, .launch_count = 18},
    .segments[SNUG_SEGMENT_update] = {.launches = update, .launch_count = 2},
    .segments[SNUG_SEGMENT_evaluate] = {.launches = evaluate, .launch_count = 6},
    .params = params, .param_count = 12,
    .image_buffer = image,
    .points_buffer = points,
    .image_weights_buffer = image_weights,
    .staging_offset = -1,
    .scalars_buffer = scalars,
    .output_buffer = head_2,
    .peaks_buffer = peaks,
    .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F},
    .defaults = {.lr = 0.001F, .min_lr = 1e-06F, .weight_decay = 0.0001F, .beta1 = 0.9F,
                 .beta2 = 0.999F, .eps = 1e-08F, .clip = 1.0F, .ema_decay = 0.99F,
                 .accumulate = 2, .epochs = 10, .warmup_epochs = 1,
                 .mixed_precision = 0, .use_ema = 1},
};

const SnugProgram *const snug_programs[] = {
    &program,
};
const int32_t snug_program_count = 1;
