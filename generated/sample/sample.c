/* sample: the program of models/sample.snug, written by snug 0.1.0.
 *
 * Buffers, kernels, and a list of launches for each segment; runtime/program.h says
 * what they mean.
 */
#include "runtime/program.h"

#include "sample_plan.h" /* plan.html */

/* ---- batch 1, image 64x64, host in f32: 262.3 KiB, of which the arena is 186.3 KiB ---- */

enum { /* buffers */
    image,
    stem_conv_weight,
    stem_conv,
    stem_bn_stats_partials,
    stem_conv_workspace,
    stem_bn_weight,
    stem_bn_bias,
    stem_bn_running_mean,
    stem_bn_running_var,
    stem_bn_stats,
    block_conv_weight,
    block_conv,
    block_bn_stats_partials,
    block_conv_workspace,
    block_bn_weight,
    block_bn_bias,
    block_bn_running_mean,
    block_bn_running_var,
    block_bn_stats,
    relu_2,
    relu_2_workspace,
    head_weight,
    head_bias,
    head,
    head_conv_workspace,
    points,
    mse_1,
    mse_1_workspace,
    image_weights,
    scalars,
    loss_map_weight,
    d_head,
    d_head_workspace,
    d_head_bias_partials,
    d_head_bias_workspace,
    head_bias_grad,
    head_weight_grad,
    d_head_weight_workspace,
    d_add_1,
    d_block_bn_stats_partials,
    d_relu_2_workspace,
    block_bn_weight_grad,
    block_bn_bias_grad,
    d_block_bn_stats,
    block_conv_weight_grad,
    d_block_conv_weight_workspace,
    d_stem_bn,
    d_stem_bn_stats_partials,
    d_relu_1_workspace,
    stem_bn_weight_grad,
    stem_bn_bias_grad,
    d_stem_bn_stats,
    stem_conv_weight_grad,
    d_stem_conv_weight_workspace,
    stem_bn_weight_ema,
    stem_bn_bias_ema,
    stem_bn_running_mean_ema,
    stem_bn_running_var_ema,
    stem_bn_stats_2,
    stem_conv_weight_ema,
    relu_1,
    stem_conv_workspace_2,
    block_bn_weight_ema,
    block_bn_bias_ema,
    block_bn_running_mean_ema,
    block_bn_running_var_ema,
    block_bn_stats_2,
    block_conv_weight_ema,
    relu_2_2,
    block_conv_workspace_2,
    head_weight_ema,
    head_bias_ema,
    head_2,
    head_conv_workspace_2,
    peaks,
    peaks_workspace,
};

static const SnugBuffer buffers[] = {
    [image]                         = {.offset =       64768, .bytes =      12288, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3, .line = 9, .name = "image"}, /* models/sample.snug:9 */
    [stem_conv_weight]              = {.offset =           0, .bytes =       1792, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6, .name = "stem.conv.weight"}, /* models/sample.snug:6 */
    [stem_conv]                     = {.offset =      202240, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "stem.conv"}, /* models/sample.snug:6 */
    [stem_bn_stats_partials]        = {.offset =      160512, .bytes =        256, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6, .name = "stem.bn.stats.partials"}, /* models/sample.snug:6 */
    [stem_conv_workspace]           = {.offset =       77824, .bytes =      82688, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "stem.conv.workspace"}, /* models/sample.snug:6 */
    [stem_bn_weight]                = {.offset =        1792, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.weight"}, /* models/sample.snug:6 */
    [stem_bn_bias]                  = {.offset =        2048, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.bias"}, /* models/sample.snug:6 */
    [stem_bn_running_mean]          = {.offset =       12544, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.running_mean"}, /* models/sample.snug:6 */
    [stem_bn_running_var]           = {.offset =       12800, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.running_var"}, /* models/sample.snug:6 */
    [stem_bn_stats]                 = {.offset =      267776, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6, .name = "stem.bn.stats"}, /* models/sample.snug:6 */
    [block_conv_weight]             = {.offset =        2304, .bytes =       9216, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6, .name = "block.conv.weight"}, /* models/sample.snug:6 */
    [block_conv]                    = {.offset =      218624, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "block.conv"}, /* models/sample.snug:6 */
    [block_bn_stats_partials]       = {.offset =      140800, .bytes =        256, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6, .name = "block.bn.stats.partials"}, /* models/sample.snug:6 */
    [block_conv_workspace]          = {.offset =       77824, .bytes =      62976, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "block.conv.workspace"}, /* models/sample.snug:6 */
    [block_bn_weight]               = {.offset =       11520, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.weight"}, /* models/sample.snug:6 */
    [block_bn_bias]                 = {.offset =       11776, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.bias"}, /* models/sample.snug:6 */
    [block_bn_running_mean]         = {.offset =       13056, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.running_mean"}, /* models/sample.snug:6 */
    [block_bn_running_var]          = {.offset =       13312, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.running_var"}, /* models/sample.snug:6 */
    [block_bn_stats]                = {.offset =      152576, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6, .name = "block.bn.stats"}, /* models/sample.snug:6 */
    [relu_2]                        = {.offset =      235008, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "relu_2"}, /* models/sample.snug:12 */
    [relu_2_workspace]              = {.offset =       77824, .bytes =      24832, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 12, .name = "relu_2.workspace"}, /* models/sample.snug:12 */
    [head_weight]                   = {.offset =       12032, .bytes =        256, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13, .name = "head.weight"}, /* models/sample.snug:13 */
    [head_bias]                     = {.offset =       12288, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13, .name = "head.bias"}, /* models/sample.snug:13 */
    [head]                          = {.offset =      111616, .bytes =       4096, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "head"}, /* models/sample.snug:13 */
    [head_conv_workspace]           = {.offset =       77824, .bytes =      33792, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "head.conv.workspace"}, /* models/sample.snug:13 */
    [points]                        = {.offset =       77056, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3, .line = 10, .name = "points"}, /* models/sample.snug:10 */
    [mse_1]                         = {.offset =       95744, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 15, .name = "mse_1"}, /* models/sample.snug:15 */
    [mse_1_workspace]               = {.offset =       77824, .bytes =      17920, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 15, .name = "mse_1.workspace"}, /* models/sample.snug:15 */
    [image_weights]                 = {.offset =       77312, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 1}, .pitch = 1, .line = 15, .name = "image_weights"}, /* models/sample.snug:15 */
    [scalars]                       = {.offset =       77568, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 0, .name = "scalars"},
    [loss_map_weight]               = {.offset =       96000, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 15, .name = "loss.map_weight"}, /* models/sample.snug:15 */
    [d_head]                        = {.offset =      148480, .bytes =       4096, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "d_head"}, /* models/sample.snug:13 */
    [d_head_workspace]              = {.offset =       77824, .bytes =      17920, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "d_head.workspace"}, /* models/sample.snug:13 */
    [d_head_bias_partials]          = {.offset =       98560, .bytes =        256, .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4, .line = 13, .name = "d_head.bias.partials"}, /* models/sample.snug:13 */
    [d_head_bias_workspace]         = {.offset =       77824, .bytes =      20736, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "d_head.bias.workspace"}, /* models/sample.snug:13 */
    [head_bias_grad]                = {.offset =       25856, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13, .name = "head.bias.grad"}, /* models/sample.snug:13 */
    [head_weight_grad]              = {.offset =       25600, .bytes =        256, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13, .name = "head.weight.grad"}, /* models/sample.snug:13 */
    [d_head_weight_workspace]       = {.offset =       77824, .bytes =      30976, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "d_head.weight.workspace"}, /* models/sample.snug:13 */
    [d_add_1]                       = {.offset =      235008, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "d_add_1"}, /* models/sample.snug:12 */
    [d_block_bn_stats_partials]     = {.offset =      152832, .bytes =        256, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6, .name = "d_block.bn.stats.partials"}, /* models/sample.snug:6 */
    [d_relu_2_workspace]            = {.offset =       77824, .bytes =      70656, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 12, .name = "d_relu_2.workspace"}, /* models/sample.snug:12 */
    [block_bn_weight_grad]          = {.offset =       25088, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.weight.grad"}, /* models/sample.snug:6 */
    [block_bn_bias_grad]            = {.offset =       25344, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.bias.grad"}, /* models/sample.snug:6 */
    [d_block_bn_stats]              = {.offset =      268032, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16, .line = 6, .name = "d_block.bn.stats"}, /* models/sample.snug:6 */
    [block_conv_weight_grad]        = {.offset =       15872, .bytes =       9216, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6, .name = "block.conv.weight.grad"}, /* models/sample.snug:6 */
    [d_block_conv_weight_workspace] = {.offset =       77824, .bytes =     106752, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "d_block.conv.weight.workspace"}, /* models/sample.snug:6 */
    [d_stem_bn]                     = {.offset =      251392, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "d_stem.bn"}, /* models/sample.snug:6 */
    [d_stem_bn_stats_partials]      = {.offset =      268288, .bytes =        256, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16, .line = 6, .name = "d_stem.bn.stats.partials"}, /* models/sample.snug:6 */
    [d_relu_1_workspace]            = {.offset =       77824, .bytes =     124416, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 11, .name = "d_relu_1.workspace"}, /* models/sample.snug:11 */
    [stem_bn_weight_grad]           = {.offset =       15360, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.weight.grad"}, /* models/sample.snug:6 */
    [stem_bn_bias_grad]             = {.offset =       15616, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.bias.grad"}, /* models/sample.snug:6 */
    [d_stem_bn_stats]               = {.offset =      181760, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16, .line = 6, .name = "d_stem.bn.stats"}, /* models/sample.snug:6 */
    [stem_conv_weight_grad]         = {.offset =       13568, .bytes =       1792, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6, .name = "stem.conv.weight.grad"}, /* models/sample.snug:6 */
    [d_stem_conv_weight_workspace]  = {.offset =       77824, .bytes =     103936, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "d_stem.conv.weight.workspace"}, /* models/sample.snug:6 */
    [stem_bn_weight_ema]            = {.offset =       52992, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.weight.ema"}, /* models/sample.snug:6 */
    [stem_bn_bias_ema]              = {.offset =       53248, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.bias.ema"}, /* models/sample.snug:6 */
    [stem_bn_running_mean_ema]      = {.offset =       53504, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.running_mean.ema"}, /* models/sample.snug:6 */
    [stem_bn_running_var_ema]       = {.offset =       53760, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "stem.bn.running_var.ema"}, /* models/sample.snug:6 */
    [stem_bn_stats_2]               = {.offset =      185088, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6, .name = "stem.bn.stats"}, /* models/sample.snug:6 */
    [stem_conv_weight_ema]          = {.offset =       51200, .bytes =       1792, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3, .line = 6, .name = "stem.conv.weight.ema"}, /* models/sample.snug:6 */
    [relu_1]                        = {.offset =      168704, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 11, .name = "relu_1"}, /* models/sample.snug:11 */
    [stem_conv_workspace_2]         = {.offset =       77824, .bytes =      90880, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "stem.conv.workspace"}, /* models/sample.snug:6 */
    [block_bn_weight_ema]           = {.offset =       63232, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.weight.ema"}, /* models/sample.snug:6 */
    [block_bn_bias_ema]             = {.offset =       63488, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.bias.ema"}, /* models/sample.snug:6 */
    [block_bn_running_mean_ema]     = {.offset =       63744, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.running_mean.ema"}, /* models/sample.snug:6 */
    [block_bn_running_var_ema]      = {.offset =       64000, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16, .line = 6, .name = "block.bn.running_var.ema"}, /* models/sample.snug:6 */
    [block_bn_stats_2]              = {.offset =      161280, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16, .line = 6, .name = "block.bn.stats"}, /* models/sample.snug:6 */
    [block_conv_weight_ema]         = {.offset =       54016, .bytes =       9216, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16, .line = 6, .name = "block.conv.weight.ema"}, /* models/sample.snug:6 */
    [relu_2_2]                      = {.offset =      144896, .bytes =      16384, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 12, .name = "relu_2"}, /* models/sample.snug:12 */
    [block_conv_workspace_2]        = {.offset =       77824, .bytes =      67072, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 6, .name = "block.conv.workspace"}, /* models/sample.snug:6 */
    [head_weight_ema]               = {.offset =       64256, .bytes =        256, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16, .line = 13, .name = "head.weight.ema"}, /* models/sample.snug:13 */
    [head_bias_ema]                 = {.offset =       64512, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4, .line = 13, .name = "head.bias.ema"}, /* models/sample.snug:13 */
    [head_2]                        = {.offset =      111616, .bytes =       4096, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4, .line = 13, .name = "head"}, /* models/sample.snug:13 */
    [head_conv_workspace_2]         = {.offset =       77824, .bytes =      33792, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "head.conv.workspace"}, /* models/sample.snug:13 */
    [peaks]                         = {.offset =       81920, .bytes =        256, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3, .line = 13, .name = "peaks"}, /* models/sample.snug:13 */
    [peaks_workspace]               = {.offset =       77824, .bytes =       4096, .type = SNUG_U8, .shape = {0, 0, 0, 0}, .pitch = 0, .line = 13, .name = "peaks.workspace"}, /* models/sample.snug:13 */
};

enum { /* kernels */
    conv3x3_s4_3_16_16x16,
    bn_combine_16_2x2,
    conv3x3_s1_16_16_16x16,
    map_16_16x16,
    conv1x1_s1_16_4_16x16,
    heatmap_loss_4_16x16,
    loss_combine_4_1x1,
    heatmap_loss_grad_4_16x16,
    reduce_4_16x16,
    sum_combine_4_2x1,
    wgrad1x1_s1_16_4_16x16,
    dgrad1x1_s1_16_4_16x16,
    bn_grad_combine_16_2x2,
    wgrad3x3_s1_16_16_16x16,
    dgrad3x3_s1_16_16_16x16,
    wgrad3x3_s4_3_16_16x16,
    grad_norm,
    adamw,
    bn_frozen_16_1x1,
    conv3x3_s4_3_16_16x16_b,
    conv3x3_s1_16_16_16x16_b,
    decode_4_16x16,
};

static const SnugKernel kernels[] = {
    [conv3x3_s4_3_16_16x16] = { /* 1 launch */
        .name = "conv3x3_s4_3_16_16x16",
        .kind = SNUG_KERNEL_conv,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3},
            /*  2 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .arg_count = 4, .output_arg = 2, .weight_arg = 1,
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 4, .code = (const SnugPoint[]){ /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant, .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant, .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 1,
            .out.code = (const SnugPoint[]){ /* core; moments -> a3 */
                /* r0  */ {.op = SNUG_POINT_core},
            }},
        },
        .reductions[0] = {.kind = SNUG_REDUCE_moments, .with = 0, .arg = 3, .rows_per_partial = 8},
        .reduction_count = 1,
        .workspace_bytes = 82688,
    },
    [bn_combine_16_2x2] = { /* 2 launches */
        .name = "bn_combine_16_2x2",
        .kind = SNUG_KERNEL_bn_combine,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  5 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
        },
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 256, .frozen = 0},
    },
    [conv3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "conv3x3_s1_16_16_16x16",
        .kind = SNUG_KERNEL_conv,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .arg_count = 5, .output_arg = 3, .weight_arg = 2,
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 5, .code = (const SnugPoint[]){ /* relu(a0 * a1.scale + a1.shift) */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_relu, .a = 3},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 1,
            .out.code = (const SnugPoint[]){ /* core; moments -> a4 */
                /* r0  */ {.op = SNUG_POINT_core},
            }},
        },
        .reductions[0] = {.kind = SNUG_REDUCE_moments, .with = 0, .arg = 4, .rows_per_partial = 8},
        .reduction_count = 1,
        .workspace_bytes = 62976,
    },
    [map_16_16x16] = { /* 1 launch */
        .name = "map_16_16x16",
        .kind = SNUG_KERNEL_map,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .window.y = {1, 16, 16, 16},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 11,
            .out.code = (const SnugPoint[]){ /* relu(a0 * a1.scale + a1.shift + relu(a2 * a3.scale + a3.shift)) */
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
        .name = "conv1x1_s1_16_4_16x16",
        .kind = SNUG_KERNEL_conv,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
        },
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {.count = 1, .code = (const SnugPoint[]){ /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 4, .out.count = 3,
            .out.code = (const SnugPoint[]){ /* core + a2 */
                /* r0  */ {.op = SNUG_POINT_core},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 0},
                /* r2  */ {.op = SNUG_POINT_add, .a = 0, .b = 1},
            }},
        },
        .workspace_bytes = 33792,
    },
    [heatmap_loss_4_16x16] = { /* 1 launch */
        .name = "heatmap_loss_4_16x16",
        .kind = SNUG_KERNEL_heatmap_loss,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            /*  2 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
        },
        .arg_count = 3, .output_arg = 2, .weight_arg = -1,
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F, .omega = 0.0F, .theta = 0.0F, .epsilon = 0.0F, .alpha = 0.0F, .weighted = 0, .top = 0},
        .workspace_bytes = 17920,
    },
    [loss_combine_4_1x1] = { /* 1 launch */
        .name = "loss_combine_4_1x1",
        .kind = SNUG_KERNEL_loss_combine,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 1}, .pitch = 1},
            /*  3 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
        },
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F, .omega = 0.0F, .theta = 0.0F, .epsilon = 0.0F, .alpha = 0.0F, .weighted = 0, .top = 0},
    },
    [heatmap_loss_grad_4_16x16] = { /* 1 launch */
        .name = "heatmap_loss_grad_4_16x16",
        .kind = SNUG_KERNEL_heatmap_loss_grad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
        },
        .arg_count = 4, .output_arg = 3, .weight_arg = -1,
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F, .omega = 0.0F, .theta = 0.0F, .epsilon = 0.0F, .alpha = 0.0F, .weighted = 0, .top = 0},
        .workspace_bytes = 17920,
    },
    [reduce_4_16x16] = { /* 1 launch */
        .name = "reduce_4_16x16",
        .kind = SNUG_KERNEL_map,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4},
        },
        .arg_count = 2, .output_arg = -1, .weight_arg = -1,
        .window.y = {1, 16, 16, 4},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 4, .out.count = 1,
            .out.code = (const SnugPoint[]){ /* a0; sum -> a1 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        },
        .reductions[0] = {.kind = SNUG_REDUCE_sum, .with = 0, .arg = 1, .rows_per_partial = 8},
        .reduction_count = 1,
        .workspace_bytes = 20736,
    },
    [sum_combine_4_2x1] = { /* 1 launch */
        .name = "sum_combine_4_2x1",
        .kind = SNUG_KERNEL_sum_combine,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 1, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 4}, .pitch = 4},
        },
        .arg_count = 2, .output_arg = 1, .weight_arg = -1,
    },
    [wgrad1x1_s1_16_4_16x16] = { /* 1 launch */
        .name = "wgrad1x1_s1_16_4_16x16",
        .kind = SNUG_KERNEL_conv_wgrad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  2 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16},
        },
        .arg_count = 3, .output_arg = 2, .weight_arg = -1,
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {.count = 1, .code = (const SnugPoint[]){ /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        .in[1] = {.count = 1, .code = (const SnugPoint[]){ /* a1 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 1, .factor = 1},
            }},
        .workspace_bytes = 30976,
    },
    [dgrad1x1_s1_16_4_16x16] = { /* 1 launch */
        .name = "dgrad1x1_s1_16_4_16x16",
        .kind = SNUG_KERNEL_conv_dgrad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {4, 1, 1, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  5 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  6 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .arg_count = 7, .output_arg = 5, .weight_arg = 1,
        .window = {.kernel = 1, .stride = 1, .pad = 0, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 4}},
        .in[0] = {.count = 1, .code = (const SnugPoint[]){ /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 9,
            .out.code = (const SnugPoint[]){ /* t1 = (a3.mean * -1 + a2) * a3.rstd; mask(core, a4); sum and sum * t1 -> a6 */
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
        .reductions[0] = {.kind = SNUG_REDUCE_grad, .with = 5, .arg = 6, .rows_per_partial = 8},
        .reduction_count = 1,
        .workspace_bytes = 70656,
    },
    [bn_grad_combine_16_2x2] = { /* 2 launches */
        .name = "bn_grad_combine_16_2x2",
        .kind = SNUG_KERNEL_bn_grad_combine,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  5 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
        },
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 256, .frozen = 0},
    },
    [wgrad3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "wgrad3x3_s1_16_16_16x16",
        .kind = SNUG_KERNEL_conv_wgrad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  5 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
        },
        .arg_count = 6, .output_arg = 5, .weight_arg = -1,
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 5, .code = (const SnugPoint[]){ /* relu(a0 * a1.scale + a1.shift) */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r2  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 3},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
                /* r4  */ {.op = SNUG_POINT_relu, .a = 3},
            }},
        .in[1] = {.count = 7, .code = (const SnugPoint[]){ /* a2 * a3.A + a4 * a3.B + a3.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 4, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 3, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            }},
        .workspace_bytes = 106752,
    },
    [dgrad3x3_s1_16_16_16x16] = { /* 1 launch */
        .name = "dgrad3x3_s1_16_16_16x16",
        .kind = SNUG_KERNEL_conv_dgrad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  5 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  6 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  7 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 2, 2, 16}, .pitch = 16},
        },
        .arg_count = 8, .output_arg = 6, .weight_arg = 3,
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 7, .code = (const SnugPoint[]){ /* a0 * a1.A + a2 * a1.B + a1.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 2, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 1, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 13,
            .out.code = (const SnugPoint[]){ /* t1 = (a5.mean * -1 + a4) * a5.rstd; mask(a0 + core, a4 * a5.scale + a5.shift); sum and sum * t1 -> a7 */
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
        .reductions[0] = {.kind = SNUG_REDUCE_grad, .with = 5, .arg = 7, .rows_per_partial = 8},
        .reduction_count = 1,
        .workspace_bytes = 124416,
    },
    [wgrad3x3_s4_3_16_16x16] = { /* 1 launch */
        .name = "wgrad3x3_s4_3_16_16x16",
        .kind = SNUG_KERNEL_conv_wgrad,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 3, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3},
        },
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 4, .code = (const SnugPoint[]){ /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant, .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant, .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            }},
        .in[1] = {.count = 7, .code = (const SnugPoint[]){ /* a1 * a2.A + a3 * a2.B + a2.C */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 1, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 0},
                /* r2  */ {.op = SNUG_POINT_load, .arg = 3, .factor = 1},
                /* r3  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 1},
                /* r4  */ {.op = SNUG_POINT_channel, .arg = 2, .row = 2},
                /* r5  */ {.op = SNUG_POINT_fma, .a = 2, .b = 3, .d = 4},
                /* r6  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 5},
            }},
        .workspace_bytes = 103936,
    },
    [grad_norm] = { /* 1 launch */
        .name = "grad_norm",
        .kind = SNUG_KERNEL_grad_norm,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
        },
        .arg_count = 1, .output_arg = -1, .weight_arg = -1,
    },
    [adamw] = { /* 1 launch */
        .name = "adamw",
        .kind = SNUG_KERNEL_adamw,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_ACCUMULATE, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
        },
        .arg_count = 1, .output_arg = -1, .weight_arg = -1,
    },
    [bn_frozen_16_1x1] = { /* 2 launches */
        .name = "bn_frozen_16_1x1",
        .kind = SNUG_KERNEL_bn_frozen,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 1, 16}, .pitch = 16},
            /*  4 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
        },
        .arg_count = 5, .output_arg = 4, .weight_arg = -1,
        .bn = {.eps = 1e-05F, .momentum = 0.1F, .count = 0, .frozen = 1},
    },
    [conv3x3_s4_3_16_16x16_b] = { /* 1 launch */
        .name = "conv3x3_s4_3_16_16x16_b",
        .kind = SNUG_KERNEL_conv,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_U8, .shape = {1, 64, 64, 3}, .pitch = 3},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 3}, .pitch = 3},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .window = {.kernel = 3, .stride = 4, .pad = 1, .x = {1, 64, 64, 3}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 4, .code = (const SnugPoint[]){ /* a0 * [0.0171248 0.017507 0.0174292] + [-2.1179 -2.03571 -1.80444] */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
                /* r1  */ {.op = SNUG_POINT_constant, .constants = {0.017124753F, 0.017507002F, 0.017429193F, 0.017429193F}},
                /* r2  */ {.op = SNUG_POINT_constant, .constants = {-2.117904F, -2.0357141F, -1.8044444F, -1.8044444F}},
                /* r3  */ {.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 5,
            .out.code = (const SnugPoint[]){ /* relu(core * a2.scale + a2.shift) */
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
        .name = "conv3x3_s1_16_16_16x16_b",
        .kind = SNUG_KERNEL_conv,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
            /*  1 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {16, 3, 3, 16}, .pitch = 16},
            /*  2 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 1, 4, 16}, .pitch = 16},
            /*  3 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16},
        },
        .arg_count = 4, .output_arg = 3, .weight_arg = 1,
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = {1, 16, 16, 16}, .y = {1, 16, 16, 16}},
        .in[0] = {.count = 1, .code = (const SnugPoint[]){ /* a0 */
                /* r0  */ {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            }},
        .part_count = 1,
        .parts = (const SnugPart[]){
            {.channel_begin = 0, .channel_count = 16, .out.count = 7,
            .out.code = (const SnugPoint[]){ /* relu(core * a2.scale + a2.shift + a0) */
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
        .name = "decode_4_16x16",
        .kind = SNUG_KERNEL_decode,
        .args = (const SnugArg[]){
            /*  0 */ {.access = SNUG_READ, .type = SNUG_F32, .shape = {1, 16, 16, 4}, .pitch = 4},
            /*  1 */ {.access = SNUG_WRITE, .type = SNUG_F32, .shape = {1, 1, 4, 3}, .pitch = 3},
        },
        .arg_count = 2, .output_arg = 1, .weight_arg = -1,
        .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F, .omega = 0.0F, .theta = 0.0F, .epsilon = 0.0F, .alpha = 0.0F, .weighted = 0, .top = 0},
        .workspace_bytes = 4096,
    },
};

static const SnugLaunch micro_step[] = {
    {   /* 0: stem.conv -> f32 1x16x16x16 at 202240; models/sample.snug:6 */
        .label = "stem.conv", .kernel = conv3x3_s4_3_16_16x16, .line = 6,
        .buffers = (const int32_t[]){image, stem_conv_weight, stem_conv, stem_bn_stats_partials,
            stem_conv_workspace},
    },
    {   /* 1: stem.bn.stats -> f32 1x1x4x16 at 267776; models/sample.snug:6 */
        .label = "stem.bn.stats", .kernel = bn_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){stem_bn_stats_partials, stem_bn_weight, stem_bn_bias,
            stem_bn_running_mean, stem_bn_running_var, stem_bn_stats},
    },
    {   /* 2: block.conv -> f32 1x16x16x16 at 218624; models/sample.snug:6 */
        .label = "block.conv", .kernel = conv3x3_s1_16_16_16x16, .line = 6,
        .buffers = (const int32_t[]){stem_conv, stem_bn_stats, block_conv_weight, block_conv,
            block_bn_stats_partials, block_conv_workspace},
    },
    {   /* 3: block.bn.stats -> f32 1x1x4x16 at 152576; models/sample.snug:6 */
        .label = "block.bn.stats", .kernel = bn_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){block_bn_stats_partials, block_bn_weight, block_bn_bias,
            block_bn_running_mean, block_bn_running_var, block_bn_stats},
    },
    {   /* 4: relu_2 -> f32 1x16x16x16 at 235008; models/sample.snug:12 */
        .label = "relu_2", .kernel = map_16_16x16, .line = 12,
        .buffers = (const int32_t[]){block_conv, block_bn_stats, stem_conv, stem_bn_stats, relu_2,
            relu_2_workspace},
    },
    {   /* 5: head.conv -> f32 1x16x16x4 at 111616; models/sample.snug:13 */
        .label = "head.conv", .kernel = conv1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){relu_2, head_weight, head_bias, head, head_conv_workspace},
    },
    {   /* 6: mse_1 -> f32 1x1x1x4 at 95744; models/sample.snug:15 */
        .label = "mse_1", .kernel = heatmap_loss_4_16x16, .line = 15,
        .buffers = (const int32_t[]){head, points, mse_1, mse_1_workspace},
    },
    {   /* 7: loss -> f32 1x1x1x4 at 96000; models/sample.snug:15 */
        .label = "loss", .kernel = loss_combine_4_1x1, .line = 15,
        .buffers = (const int32_t[]){mse_1, points, image_weights, scalars, loss_map_weight},
    },
    {   /* 8: d_head -> f32 1x16x16x4 at 148480; models/sample.snug:13 */
        .label = "d_head", .kernel = heatmap_loss_grad_4_16x16, .line = 13,
        .buffers = (const int32_t[]){head, points, loss_map_weight, d_head, d_head_workspace},
    },
    {   /* 9: d_head.bias; models/sample.snug:13 */
        .label = "d_head.bias", .kernel = reduce_4_16x16, .line = 13,
        .buffers = (const int32_t[]){d_head, d_head_bias_partials, d_head_bias_workspace},
    },
    {   /* 10: d_head.bias += f32 1x1x1x4 at 25856; models/sample.snug:13 */
        .label = "d_head.bias", .kernel = sum_combine_4_2x1, .line = 13,
        .buffers = (const int32_t[]){d_head_bias_partials, head_bias_grad},
    },
    {   /* 11: d_head.weight += f32 4x1x1x16 at 25600; models/sample.snug:13 */
        .label = "d_head.weight", .kernel = wgrad1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){relu_2, d_head, head_weight_grad, d_head_weight_workspace},
    },
    {   /* 12: d_relu_2 -> f32 1x16x16x16 at 235008; models/sample.snug:12 */
        .label = "d_relu_2", .kernel = dgrad1x1_s1_16_4_16x16, .line = 12,
        .buffers = (const int32_t[]){d_head, head_weight, block_conv, block_bn_stats, relu_2, d_add_1,
            d_block_bn_stats_partials, d_relu_2_workspace},
    },
    {   /* 13: d_block.bn.stats -> f32 1x1x3x16 at 268032; models/sample.snug:6 */
        .label = "d_block.bn.stats", .kernel = bn_grad_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){d_block_bn_stats_partials, block_bn_stats, block_bn_weight,
            block_bn_weight_grad, block_bn_bias_grad, d_block_bn_stats},
    },
    {   /* 14: d_block.conv.weight += f32 16x3x3x16 at 15872; models/sample.snug:6 */
        .label = "d_block.conv.weight", .kernel = wgrad3x3_s1_16_16_16x16, .line = 6,
        .buffers = (const int32_t[]){stem_conv, stem_bn_stats, d_add_1, d_block_bn_stats, block_conv,
            block_conv_weight_grad, d_block_conv_weight_workspace},
    },
    {   /* 15: d_relu_1 -> f32 1x16x16x16 at 251392; models/sample.snug:11 */
        .label = "d_relu_1", .kernel = dgrad3x3_s1_16_16_16x16, .line = 11,
        .buffers = (const int32_t[]){d_add_1, d_block_bn_stats, block_conv, block_conv_weight, stem_conv,
            stem_bn_stats, d_stem_bn, d_stem_bn_stats_partials, d_relu_1_workspace},
    },
    {   /* 16: d_stem.bn.stats -> f32 1x1x3x16 at 181760; models/sample.snug:6 */
        .label = "d_stem.bn.stats", .kernel = bn_grad_combine_16_2x2, .line = 6,
        .buffers = (const int32_t[]){d_stem_bn_stats_partials, stem_bn_stats, stem_bn_weight,
            stem_bn_weight_grad, stem_bn_bias_grad, d_stem_bn_stats},
    },
    {   /* 17: d_stem.conv.weight += f32 16x3x3x3 at 13568; models/sample.snug:6 */
        .label = "d_stem.conv.weight", .kernel = wgrad3x3_s4_3_16_16x16, .line = 6,
        .buffers = (const int32_t[]){image, d_stem_bn, d_stem_bn_stats, stem_conv, stem_conv_weight_grad,
            d_stem_conv_weight_workspace},
    },
};

static const SnugLaunch update[] = {
    {   /* 0: grad_norm */
        .label = "grad_norm", .kernel = grad_norm, .line = 0,
        .buffers = (const int32_t[]){scalars},
    },
    {   /* 1: adamw */
        .label = "adamw", .kernel = adamw, .line = 0,
        .buffers = (const int32_t[]){scalars},
    },
};

static const SnugLaunch evaluate[] = {
    {   /* 0: stem.bn.stats -> f32 1x1x4x16 at 185088; models/sample.snug:6 */
        .label = "stem.bn.stats", .kernel = bn_frozen_16_1x1, .line = 6,
        .buffers = (const int32_t[]){stem_bn_weight_ema, stem_bn_bias_ema, stem_bn_running_mean_ema,
            stem_bn_running_var_ema, stem_bn_stats_2},
    },
    {   /* 1: stem.conv -> f32 1x16x16x16 at 168704; models/sample.snug:6 */
        .label = "stem.conv", .kernel = conv3x3_s4_3_16_16x16_b, .line = 6,
        .buffers = (const int32_t[]){image, stem_conv_weight_ema, stem_bn_stats_2, relu_1,
            stem_conv_workspace_2},
    },
    {   /* 2: block.bn.stats -> f32 1x1x4x16 at 161280; models/sample.snug:6 */
        .label = "block.bn.stats", .kernel = bn_frozen_16_1x1, .line = 6,
        .buffers = (const int32_t[]){block_bn_weight_ema, block_bn_bias_ema, block_bn_running_mean_ema,
            block_bn_running_var_ema, block_bn_stats_2},
    },
    {   /* 3: block.conv -> f32 1x16x16x16 at 144896; models/sample.snug:6 */
        .label = "block.conv", .kernel = conv3x3_s1_16_16_16x16_b, .line = 6,
        .buffers = (const int32_t[]){relu_1, block_conv_weight_ema, block_bn_stats_2, relu_2_2,
            block_conv_workspace_2},
    },
    {   /* 4: head.conv -> f32 1x16x16x4 at 111616; models/sample.snug:13 */
        .label = "head.conv", .kernel = conv1x1_s1_16_4_16x16, .line = 13,
        .buffers = (const int32_t[]){relu_2_2, head_weight_ema, head_bias_ema, head_2, head_conv_workspace_2},
    },
    {   /* 5: peaks -> f32 1x1x4x3 at 81920; models/sample.snug:13 */
        .label = "peaks", .kernel = decode_4_16x16, .line = 13,
        .buffers = (const int32_t[]){head_2, peaks, peaks_workspace},
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
    .model_hash = "5bce5756ab118d1e24df0bc218baceb7",
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
    .loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5F, .stride = 4.0F, .omega = 0.0F, .theta = 0.0F, .epsilon = 0.0F, .alpha = 0.0F, .weighted = 0, .top = 0},
    .defaults = {.lr = 0.001F, .min_lr = 1e-06F, .weight_decay = 0.0001F, .beta1 = 0.9F,
                 .beta2 = 0.999F, .eps = 1e-08F, .clip = 1.0F, .ema_decay = 0.99F,
                 .accumulate = 2, .epochs = 10, .warmup_epochs = 1,
                 .mixed_precision = 0, .use_ema = 1},
};

const SnugProgram *const snug_programs[] = {&program};
const int32_t snug_program_count = 1;
