/* Heat maps, points, d loss / d map_loss -> d loss / d heat. map.cuh runs it. */
#define CORE
#include "target.cuh"

struct Core {
    struct Channels {
        Point points[8];
        float factor[8];
    };
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        Channels k;
        EACH(i) {
            bool exists = c + i < MAPS;
            k.points[i] = exists ? load_point(args.a1, n, c + i) : Point{0.0f, 0.0f, 0.0f};
            k.factor[i] = exists ? args.a2[n * WEIGHT_PITCH + c + i] * (1.0f / (HEIGHT * WIDTH))
                                 : 0.0f;
        }
        return k;
    }
    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        const float *heat = args.a0 + pixel_at<HEIGHT, WIDTH, HEAT_PITCH>(n, h, w);
        load_chunk<HEAT_PITCH, 0, MAPS>(heat, c, v);
        EACH(i) v[i] = k.factor[i] * slope_at(k.points[i], v[i], h, w);
    }
};

#include "map.cuh"
