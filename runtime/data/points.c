/* Where a pixel goes: affine maps between the original picture and the network's.
 *
 * The centre of the first pixel is (0, 0), so a picture of w pixels reaches from -0.5 to w - 0.5:
 * scaling by s keeps the edges in place, not the centres, x' = s (x + 0.5) - 0.5.
 */
#include "data.h"

Affine affine_fit(int32_t width, int32_t height, int32_t to_width, int32_t to_height)
{
    double across = (double)to_width / width, down = (double)to_height / height;
    double s = across < down ? across : down;
    double x = (to_width - s * width) / 2 + 0.5 * s - 0.5;
    double y = (to_height - s * height) / 2 + 0.5 * s - 0.5;
    return (Affine){{(float)s, 0, (float)x, 0, (float)s, (float)y}};
}

Affine affine_compose(Affine second, Affine first)
{
    const float *a = second.m, *b = first.m;
    Affine map;
    for (int row = 0; row < 2; row++) {
        double p = a[3 * row], q = a[3 * row + 1];
        map.m[3 * row] = (float)(p * b[0] + q * b[3]);
        map.m[3 * row + 1] = (float)(p * b[1] + q * b[4]);
        map.m[3 * row + 2] = (float)(p * b[2] + q * b[5] + a[3 * row + 2]);
    }
    return map;
}

Affine affine_invert(Affine map)
{
    double a = map.m[0], b = map.m[1], c = map.m[2], d = map.m[3], e = map.m[4], f = map.m[5];
    double inverse = 1 / (a * e - b * d);
    return (Affine){{(float)(e * inverse), (float)(-b * inverse),
                     (float)((b * f - c * e) * inverse), (float)(-d * inverse),
                     (float)(a * inverse), (float)((c * d - a * f) * inverse)}};
}

Point affine_apply(Affine map, Point point)
{
    double x = point.x, y = point.y;
    const float *m = map.m;
    return (Point){.x = (float)(m[0] * x + m[1] * y + m[2]),
                   .y = (float)(m[3] * x + m[4] * y + m[5]),
                   .weight = point.weight};
}
