/* Heat maps -> points: DARK (Zhang et al., CVPR 2020, section 3.1).
 *
 * The map is smoothed; from its highest pixel one Newton step on its logarithm: where the map is a
 * Gaussian, its logarithm is a parabola and the step lands on the centre. The paper looks for the
 * highest pixel before smoothing; after it, noise misleads less.
 */
#ifndef SNUG_DECODE_H
#define SNUG_DECODE_H

#include <stdint.h>

typedef struct Peak {
    float x, y;       /* heat-map pixels, centre of the first at 0 */
    float confidence; /* the map's largest value */
} Peak;

/* One map: pixel k is heat[k * pitch]. sigma: that of the targets, heat-map pixels. scratch:
 * 2 * height * width floats. A map that is not finite everywhere gives its middle and confidence
 * 0. */
Peak decode_map(const float *heat, int64_t pitch, int32_t height, int32_t width, float sigma,
                float *scratch);

#endif
