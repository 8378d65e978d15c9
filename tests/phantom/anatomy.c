/* A head in profile. Every curve runs through the landmarks that lie on it, so a landmark is where
 * the picture shows it: the lowest point of the orbit, the tip of a cusp, the deepest point of the
 * chin's bay. The means are typical distances of an adult cephalogram (S to N about 70 mm).
 */
#include "phantom.h"

#include <math.h>

const Landmark landmarks[LANDMARK_COUNT] = {
    {"A", "A-point", {147, 128.5f}},
    {"ANS", "Anterior Nasal Spine", {154, 121}},
    {"B", "B-point", {140, 169}},
    {"Me", "Menton", {132, 194}},
    {"N", "Nasion", {150, 71}},
    {"Or", "Orbitale", {138, 98}},
    {"Pog", "Pogonion", {143, 184}},
    {"PNS", "Posterior Nasal Spine", {102, 121}},
    {"Pn", "Pronasale", {178, 111}},
    {"R", "Ramus", {98, 137}},
    {"S", "Sella", {84, 84}},
    {"Ar", "Articulare", {69, 117}},
    {"Co", "Condylion", {74, 103}},
    {"Gn", "Gnathion", {140, 190.5f}},
    {"Go", "Gonion", {77, 164}},
    {"Po", "Porion", {61, 100}},
    {"LPM", "Lower 2nd PM Cusp Tip", {134, 147.5f}},
    {"LIT", "Lower Incisor Tip", {153, 146}},
    {"LMT", "Lower Molar Cusp Tip", {125.5f, 147.5f}},
    {"UPM", "Upper 2nd PM Cusp Tip", {131, 149.5f}},
    {"UIA", "Upper Incisor Apex", {142, 127}},
    {"UIT", "Upper Incisor Tip", {156.5f, 149}},
    {"UMT", "Upper Molar Cusp Tip", {121.5f, 149.5f}},
    {"LIA", "Lower Incisor Apex", {136, 165.5f}},
    {"Li", "Labrale inferius", {166, 154}},
    {"Ls", "Labrale superius", {169, 139}},
    {"N`", "Soft Tissue Nasion", {156.5f, 72}},
    {"Pog`", "Soft Tissue Pogonion", {155, 184}},
    {"Sn", "Subnasale", {162, 126}},
};

enum {
    A,
    ANS,
    B,
    Me,
    N,
    Or,
    Pog,
    PNS,
    Pn,
    R,
    S,
    Ar,
    Co,
    Gn,
    Go,
    Po,
    LPM,
    LIT,
    LMT,
    UPM,
    UIA,
    UIT,
    UMT,
    LIA,
    Li,
    Ls,
    N_soft,
    Pog_soft,
    Sn
};

static const Spot middle = {98, 112}; /* about which a head turns */

/* ---- one patient ----------------------------------------------------------------------------- */

static void move(Patient *patient, const int *group, int count, float dx, float dy)
{
    for (int i = 0; i < count; i++) {
        patient->points[group[i]].x += dx;
        patient->points[group[i]].y += dy;
    }
}

static void turn(Patient *patient, const int *group, int count, Spot about, float angle)
{
    float cosine = cosf(angle), sine = sinf(angle);
    for (int i = 0; i < count; i++) {
        Spot *p = &patient->points[group[i]];
        float x = p->x - about.x, y = p->y - about.y;
        *p = (Spot){about.x + cosine * x - sine * y, about.y + sine * x + cosine * y};
    }
}

/* Jaws move as wholes, as growth moves them; then each point a little on its own. */
Patient draw_patient(RandomKey key)
{
    static const int upper_jaw[] = {A, ANS, PNS, UPM, UIA, UIT, UMT, Ls, Sn};
    static const int lower_jaw[] = {B, Me, Pog, R, Gn, Go, LPM, LIT, LMT, LIA, Li, Pog_soft};
    static const int chin[] = {Me, Pog, Gn, Pog_soft};
    static const int upper_incisor[] = {UIA, UIT};
    static const int lower_incisor[] = {LIA, LIT};
    static const int nose[] = {Pn};
    Patient patient = {.key = key};
    for (int i = 0; i < LANDMARK_COUNT; i++)
        patient.points[i] = landmarks[i].mean;
    Spot *points = patient.points;
    move(&patient, upper_jaw, 9, 1.8f * random_normal(key, 0), 1.5f * random_normal(key, 1));
    turn(&patient, lower_jaw, 12, points[Co], 0.022f * random_normal(key, 2));
    move(&patient, lower_jaw, 12, 1.2f * random_normal(key, 3), 0);
    move(&patient, lower_jaw, 12, 0, points[UMT].y - 2 - points[LMT].y); /* teeth bite */
    move(&patient, chin, 4, 1.5f * random_normal(key, 5), 1.8f * random_normal(key, 6));
    turn(&patient, upper_incisor, 2, points[UIT], 0.06f * random_normal(key, 7));
    turn(&patient, lower_incisor, 2, points[LIT], 0.06f * random_normal(key, 8));
    move(&patient, nose, 1, 2.0f * random_normal(key, 9), 2.0f * random_normal(key, 10));
    for (uint64_t i = 0; i < LANDMARK_COUNT; i++) {
        points[i].x += 0.5f * random_normal(key, 20 + 2 * i);
        points[i].y += 0.5f * random_normal(key, 21 + 2 * i);
    }
    patient.angle = 0.06f * random_normal(key, 100);
    patient.scale = 1 + 0.05f * random_normal(key, 101);
    patient.shift = (Spot){4 * random_normal(key, 102), 4 * random_normal(key, 103)};
    patient.bone = 0.8f + 0.45f * random_uniform(key, 104);
    patient.soft = 0.8f + 0.5f * random_uniform(key, 105);
    patient.has_ruler = random_uniform(key, 106) < 0.5f;
    patient.has_rods = random_uniform(key, 107) < 0.7f;
    return patient;
}

Spot place(const Patient *patient, Spot spot)
{
    float cosine = patient->scale * cosf(patient->angle),
          sine = patient->scale * sinf(patient->angle);
    float x = spot.x - middle.x, y = spot.y - middle.y;
    return (Spot){middle.x + patient->shift.x + cosine * x - sine * y,
                  middle.y + patient->shift.y + sine * x + cosine * y};
}

/* ---- parts of the head ----------------------------------------------------------------------- */

/* The spot of a landmark, moved. */
static Spot at(const Patient *patient, int landmark, float dx, float dy)
{
    return (Spot){patient->points[landmark].x + dx, patient->points[landmark].y + dy};
}

#define AT(landmark, dx, dy) at(patient, landmark, dx, dy)
#define COUNT_OF(array)      ((int)(sizeof(array) / sizeof((array)[0])))
#define FILL(layer, spots, ...)                                                                    \
    film_fill(film, film->layer, spots, COUNT_OF(spots), (Substance){__VA_ARGS__})
#define STROKE(layer, spots, width, amount)                                                        \
    film_stroke(film, film->layer, spots, COUNT_OF(spots), false, width, amount)

static void draw_soft_tissue(Film *film, const Patient *patient)
{
    const Spot head[] = {
        {118, 12},
        {143, 30},
        {155, 52},
        AT(N_soft, 0, -5),
        AT(N_soft, 0, 0),
        AT(N_soft, 3.5f, 9),
        AT(Pn, -7, -12),
        AT(Pn, -1.2f, -4),
        AT(Pn, 0, 0),
        AT(Pn, -2.5f, 4.5f),
        AT(Sn, 6, -2.5f),
        AT(Sn, 0, 0),
        AT(Sn, 2, 5),
        AT(Ls, -1, -4),
        AT(Ls, 0, 0),
        AT(Ls, -2.5f, 4),
        {(patient->points[Ls].x + patient->points[Li].x) / 2 - 6,
         (patient->points[Ls].y + patient->points[Li].y) / 2 + 0.3f},
        AT(Li, -2.5f, -4),
        AT(Li, 0, 0),
        AT(Li, -3, 5.5f),
        AT(B, 14, 0),
        AT(Pog_soft, -1, -8),
        AT(Pog_soft, 0, 0),
        AT(Pog_soft, -4, 10),
        AT(Me, 4, 9),
        AT(Me, -16, 10),
        {104, 196},
        {97, 206},
        {95, 225},
        {96, 290},
        {20, 290},
        {22, 215},
        {14, 180},
        {4, 150},
        {-3, 112},
        {-3, 75},
        {12, 36},
        {44, 12},
        {82, 5},
    };
    FILL(soft, head, .body = 0.42f, .ramp = 13, .rim = 0.04f, .rim_width = 2);
    const Spot tongue[] = {{146, 150}, {138, 141}, {118, 137}, {100, 142},
                           {92, 158},  {97, 178},  {118, 180}, {136, 172}};
    FILL(soft, tongue, .body = 0.13f, .ramp = 8);
    const Spot palate[] = {AT(PNS, 2, -1),   AT(PNS, -6, 3),  AT(PNS, -13, 15), AT(PNS, -15, 24),
                           AT(PNS, -11, 24), AT(PNS, -7, 13), AT(PNS, 1, 4)};
    FILL(soft, palate, .body = 0.12f, .ramp = 3);
    const Spot airway[] = {{99, 112}, {92, 117}, {86, 128}, {84, 150}, {85, 175},
                           {86, 200}, {88, 225}, {95, 225}, {93, 200}, {92, 178},
                           {90, 160}, {88, 145}, {90, 132}, {98, 120}};
    FILL(soft, airway, .body = -0.24f, .ramp = 4);
}

static void draw_vault(Film *film, const Patient *patient)
{
    const Spot skull[] = {
        AT(N, 0, 0), AT(N, 1.5f, -7), {150, 52},    {144, 36},   {124, 20}, {92, 12},  {52, 17},
        {22, 40},    {9, 76},         {12, 102},    {26, 119},   {40, 122}, {50, 120}, {58, 125},
        {64, 121},   AT(S, -12, 18),  AT(S, -6, 6), AT(S, 8, 3), {108, 84}, {128, 80}, AT(N, -8, 4),
    };
    FILL(bone, skull, .body = 0.27f, .ramp = 14, .rim = 0.34f, .rim_width = 2.6f);
    const Spot diploe[] = {AT(N, -2, -6), {144, 50}, {139, 38}, {121.5f, 25}, {92, 17.5f},
                           {54, 22},      {27, 43},  {15, 76},  {18.5f, 101}, {33, 117}};
    STROKE(bone, diploe, 4, 0.10f);
    const Spot inner[] = {{138, 44}, {121, 29}, {92, 21},  {55, 26},
                          {30, 46},  {18, 77},  {22, 101}, {34, 115}};
    STROKE(bone, inner, 1.3f, 0.22f);
    const Spot sinus[] = {AT(N, -3, -2), AT(N, -2.5f, -10), AT(N, -5, -16), AT(N, -9, -12),
                          AT(N, -8, -3)};
    FILL(bone, sinus, .body = -0.3f, .ramp = 2, .rim = 0.1f, .rim_width = 1);
    const Spot suture[] = {{70, 14}, {73, 24}, {70, 33}, {74, 43}, {71, 52}};
    STROKE(bone, suture, 0.7f, -0.09f);
    const Spot vessel[] = {{82, 72}, {76, 58}, {60, 47}, {40, 43}};
    STROKE(bone, vessel, 1.0f, -0.08f);
    const Spot branch[] = {{74, 56}, {84, 44}, {88, 28}};
    STROKE(bone, branch, 0.8f, -0.07f);
    const Spot lambda[] = {{16, 62}, {24, 68}, {29, 78}, {37, 86}, {42, 98}};
    STROKE(bone, lambda, 0.7f, -0.09f);
    for (uint64_t i = 0; i < 26; i++) /* the folds of the brain leave their marks */
        film_cloud(film, film->bone,
                   (Spot){28 + 108 * random_uniform(patient->key, 300 + 3 * i),
                          34 + 44 * random_uniform(patient->key, 301 + 3 * i)},
                   6, 5, 0.09f * (random_uniform(patient->key, 302 + 3 * i) - 0.5f));
}

/* Sella is the middle of its fossa: a U of bone, open above, between the clinoid processes. */
static void draw_base(Film *film, const Patient *patient)
{
    const Spot fossa[] = {AT(S, 9, -4.5f),     AT(S, 6.5f, -5),  AT(S, 5.4f, -2),
                          AT(S, 4.2f, 3),      AT(S, 0, 5.2f),   AT(S, -4.4f, 3),
                          AT(S, -5.6f, -2.5f), AT(S, -6.2f, -6), AT(S, -8, -5.5f)};
    STROKE(bone, fossa, 1.5f, 0.62f);
    const Spot planum[] = {AT(S, 9, -4.5f), {112, 76}, {132, 75}, AT(N, -9, 1)};
    STROKE(bone, planum, 1.2f, 0.36f);
    const Spot clivus[] = {AT(S, -8, -5.5f), AT(S, -12, 8), AT(S, -17, 24), AT(S, -20, 37)};
    STROKE(bone, clivus, 1.8f, 0.4f);
    const Spot sphenoid[] = {AT(S, 6, 7), AT(S, 13, 4), AT(S, 19, 9), AT(S, 17, 18), AT(S, 7, 17)};
    FILL(bone, sphenoid, .body = -0.12f, .ramp = 4, .rim = 0.08f, .rim_width = 1);
    film_cloud(film, film->bone, AT(Po, 10, -3), 12, 8, 0.42f);
    film_cloud(film, film->bone, AT(Po, -14, 12), 9, 11, 0.20f);
    const Spot mastoid[] = {AT(Po, -16, 6), AT(Po, -6, 9), AT(Po, -3, 16), AT(Po, -8, 27),
                            AT(Po, -14, 22)};
    FILL(bone, mastoid, .body = 0.16f, .ramp = 4, .rim = 0.1f, .rim_width = 1.5f);
    for (uint64_t i = 0; i < 22; i++) /* its air cells */
        film_cloud(film, film->bone,
                   AT(Po, -17 + 13 * random_uniform(patient->key, 400 + 2 * i),
                      4 + 18 * random_uniform(patient->key, 401 + 2 * i)),
                   1.2f, 1.3f, -0.09f);
    const Spot canal[] = {AT(Po, 0, 0),        AT(Po, 3.2f, 1.4f), AT(Po, 4.4f, 4.6f),
                          AT(Po, 3, 7.6f),     AT(Po, 0, 8.8f),    AT(Po, -3, 7.6f),
                          AT(Po, -4.4f, 4.6f), AT(Po, -3.2f, 1.4f)};
    FILL(bone, canal, .body = -0.5f, .ramp = 3);
    film_stroke(film, film->bone, canal, COUNT_OF(canal), true, 1.1f, 0.32f);
}

static void draw_face(Film *film, const Patient *patient)
{
    const Spot orbit[] = {AT(N, -5, 3), AT(N, -1.5f, 12),  AT(Or, 8, -6),   AT(Or, 4, -1.2f),
                          AT(Or, 0, 0), AT(Or, -5, -1.2f), AT(Or, -11, -6), AT(Or, -14, -15)};
    STROKE(bone, orbit, 1.5f, 0.48f);
    const Spot other_orbit[] = {AT(N, -7, 4),      AT(N, -4, 14),   AT(Or, 5, -6),
                                AT(Or, -3, -3.5f), AT(Or, -13, -8), AT(Or, -16, -17)};
    STROKE(bone, other_orbit, 1.3f, 0.14f);
    const Spot roof[] = {{104, 77}, {118, 69}, {134, 67}, AT(N, -4, 1)};
    STROKE(bone, roof, 1.2f, 0.3f);
    for (int i = 0; i < 3; i++) { /* the turbinates of the nose */
        float y = 92 + 9.5f * (float)i;
        const Spot turbinate[] = {{113, y},     {124, y - 2},    {143 - 2 * (float)i, y + 1},
                                  {146, y + 5}, {130, y + 6.5f}, {115, y + 4}};
        FILL(bone, turbinate, .body = 0.07f, .ramp = 3, .rim = 0.05f, .rim_width = 1.2f);
    }
    const Spot nasal_bone[] = {AT(N, 0, 0),     AT(N, 4.5f, 8), AT(N, 11, 19),
                               AT(N, 7.5f, 14), AT(N, 0, 6),    AT(N, -3, 2)};
    FILL(bone, nasal_bone, .body = 0.34f, .ramp = 1.2f, .rim = 0.15f, .rim_width = 1);
    const Spot zygoma[] = {AT(Or, -2, 2),   AT(Or, -6, 12), AT(Or, -13, 25), AT(Or, -19, 25),
                           AT(Or, -20, 12), AT(Or, -26, 3), AT(Or, -16, -1)};
    FILL(bone, zygoma, .body = 0.17f, .ramp = 4, .rim = 0.18f, .rim_width = 2);
    const Spot arch[] = {AT(Or, -22, 4), {100, 100}, {86, 99}, AT(Po, 10, -2)};
    STROKE(bone, arch, 2.6f, 0.16f);
    const Spot fissure[] = {{100, 97}, {105, 98}, {105.5f, 107}, {103, 117}, {100.5f, 107}};
    FILL(bone, fissure, .body = -0.1f, .ramp = 1.5f);
    film_stroke(film, film->bone, fissure, COUNT_OF(fissure), true, 0.9f, 0.2f);
    const Spot maxilla[] = {
        AT(ANS, 0, 0),       AT(ANS, -3.2f, 2.2f), AT(A, 0, 0),    AT(A, 1.2f, 4.5f),
        AT(UIT, -5.5f, -11), AT(UIT, -13, -9.5f),  AT(UPM, 0, -9), AT(UMT, -6, -9),
        AT(UMT, -14, -11),   AT(PNS, 1, 9),        AT(PNS, 0, 0),  AT(PNS, 12, -3),
        AT(Or, -12, 14),     AT(Or, -2, 8),        AT(Or, 5, 12),  AT(ANS, -8, -4),
    };
    FILL(bone, maxilla, .body = 0.27f, .ramp = 3, .rim = 0.16f, .rim_width = 1.8f);
    const Spot floor[] = {AT(ANS, 0, 0),
                          AT(ANS, -8, 0.2f),
                          {(patient->points[ANS].x + patient->points[PNS].x) / 2,
                           (patient->points[ANS].y + patient->points[PNS].y) / 2 + 0.8f},
                          AT(PNS, 9, 0),
                          AT(PNS, 0, 0)};
    STROKE(bone, floor, 1.5f, 0.5f);
    const Spot vault[] = {AT(A, -7, 7), AT(ANS, -22, 6), AT(PNS, 18, 6), AT(PNS, 3, 3)};
    STROKE(bone, vault, 1.0f, 0.2f);
}

static void draw_lower_jaw(Film *film, const Patient *patient)
{
    const Spot jaw[] = {
        AT(Co, 0, 0),        AT(Co, 4.5f, 2),       AT(Co, 4.5f, 7),    AT(Co, 11, 12),
        AT(Co, 18, 5),       AT(Co, 21, 3.5f),      AT(Co, 24, 10),     AT(R, 0, 0),
        AT(R, 3.5f, 11),     AT(LMT, -12, 6.5f),    AT(LMT, 0, 8.5f),   AT(LPM, 2, 9.5f),
        AT(LIT, -8, 10),     AT(LIT, -3.6f, 10.5f), AT(LIT, -5.2f, 14), AT(B, 0, 0),
        AT(B, 1.2f, 8),      AT(Pog, 0, 0),         AT(Gn, 0, 0),       AT(Me, 0, 0),
        AT(Me, -11, -2.6f),  AT(Me, -30, -12),      AT(Go, 9, 7.5f),    AT(Go, 0, 0),
        AT(Go, -4.5f, -12),  AT(Ar, 1.8f, 22),      AT(Ar, 0, 0),       AT(Co, -4.2f, 5),
        AT(Co, -3.5f, 1.4f),
    };
    FILL(bone, jaw, .body = 0.30f, .ramp = 3, .rim = 0.36f, .rim_width = 2.4f);
    const Spot canal[] = {AT(R, -10, 6), AT(Go, 16, -4), AT(Me, -30, -22), AT(Me, -12, -16)};
    STROKE(bone, canal, 2.0f, -0.08f);
    const Spot symphysis[] = {AT(B, -1, 0),      AT(Pog, -2, 0), AT(Gn, -2.5f, -2),
                              AT(Me, -1, -2.5f), AT(Me, -5, -9), AT(B, -8, 3)};
    FILL(bone, symphysis, .body = 0.12f, .ramp = 3);
    const Spot far_side[] = {AT(Go, -2.5f, -3), AT(Go, 8, 4.5f), AT(Me, -31, -15)};
    STROKE(bone, far_side, 1.4f, 0.16f);
}

/* ---- teeth ----------------------------------------------------------------------------------- */

/* A tooth with one root: apex and tip are points, the crown is `width` mm. u runs along the axis
 * from the apex, v across it. */
static Spot on_axis(Spot apex, Spot tip, float u, float v)
{
    float dx = tip.x - apex.x, dy = tip.y - apex.y, length = hypotf(dx, dy);
    return (Spot){apex.x + u * dx - v * dy / length, apex.y + u * dy + v * dx / length};
}

static void draw_tooth(Film *film, Spot apex, Spot tip, float width)
{
    float w = width / 2;
    const Spot whole[] = {
        on_axis(apex, tip, 0, 0),
        on_axis(apex, tip, 0.2f, 0.45f * w),
        on_axis(apex, tip, 0.56f, 0.8f * w),
        on_axis(apex, tip, 0.75f, w),
        on_axis(apex, tip, 0.9f, 0.72f * w),
        on_axis(apex, tip, 1, 0),
        on_axis(apex, tip, 0.9f, -0.72f * w),
        on_axis(apex, tip, 0.75f, -w),
        on_axis(apex, tip, 0.56f, -0.8f * w),
        on_axis(apex, tip, 0.2f, -0.45f * w),
    };
    FILL(bone, whole, .body = 0.36f, .ramp = 1.2f, .rim = 0.06f, .rim_width = 1);
    const Spot crown[] = {
        on_axis(apex, tip, 0.58f, 0),  on_axis(apex, tip, 0.6f, 0.8f * w),
        on_axis(apex, tip, 0.75f, w),  on_axis(apex, tip, 0.9f, 0.72f * w),
        on_axis(apex, tip, 1, 0),      on_axis(apex, tip, 0.9f, -0.72f * w),
        on_axis(apex, tip, 0.75f, -w), on_axis(apex, tip, 0.6f, -0.8f * w),
    };
    FILL(bone, crown, .body = 0.42f, .ramp = 0.8f);
    const Spot pulp[] = {on_axis(apex, tip, 0.12f, 0), on_axis(apex, tip, 0.7f, 0)};
    STROKE(bone, pulp, 0.8f, -0.14f);
}

/* Two cusps, the front one at `cusp`; two roots. up: -1 for upper teeth, whose roots go up. */
static void draw_molar(Film *film, Spot cusp, float up)
{
    const float x = cusp.x, y = cusp.y;
    const Spot crown[] = {
        {x, y},
        {x + 2.3f, y + 2.6f * up},
        {x + 2.4f, y + 5 * up},
        {x + 1.4f, y + 7.5f * up},
        {x - 7.6f, y + 7.5f * up},
        {x - 8.8f, y + 5 * up},
        {x - 8.4f, y + 2.4f * up},
        {x - 6.4f, y + 0.5f * up},
        {x - 3.4f, y + 2.0f * up},
        {x - 1.6f, y + 1.3f * up},
    };
    FILL(bone, crown, .body = 0.62f, .ramp = 0.9f, .rim = 0.10f, .rim_width = 1);
    for (int root = 0; root < 2; root++) {
        float left = x - 0.5f - 5.2f * (float)root, lean = root == 0 ? 0.6f : -1.4f;
        const Spot shape[] = {
            {left + 1.6f, y + 7 * up},  {left + 1.2f + lean, y + 14 * up},
            {left + lean, y + 19 * up}, {left - 1.4f + lean, y + 14 * up},
            {left - 2.2f, y + 7 * up},
        };
        FILL(bone, shape, .body = 0.32f, .ramp = 1.2f);
    }
}

static void draw_teeth(Film *film, const Patient *patient)
{
    draw_molar(film, AT(UMT, -11, -0.6f), -1);
    draw_molar(film, AT(LMT, -11.5f, 0.8f), 1);
    draw_molar(film, AT(UMT, 0, 0), -1);
    draw_molar(film, AT(LMT, 0, 0), 1);
    draw_tooth(film, AT(UPM, -2, -19), AT(UPM, 0, 0), 6.4f);
    draw_tooth(film, AT(LPM, -2.5f, 19), AT(LPM, 0, 0), 6.4f);
    draw_tooth(film, AT(UPM, 5, -20), AT(UPM, 7.2f, -0.4f), 6.2f);
    draw_tooth(film, AT(LPM, 3.5f, 20), AT(LPM, 7, 0.6f), 6);
    draw_tooth(film, AT(UIA, -2.5f, -2), AT(UIT, -8, 0.4f), 6.4f);
    draw_tooth(film, AT(LIA, -1.5f, 2), AT(LIT, -6.5f, 1.2f), 5.6f);
    draw_tooth(film, AT(UIA, 0, 0), AT(UIT, 0, 0), 6.6f);
    draw_tooth(film, AT(LIA, 0, 0), AT(LIT, 0, 0), 5.4f);
}

/* ---- neck and apparatus ---------------------------------------------------------------------- */

static void draw_neck(Film *film)
{
    const Spot dens[] = {{63, 122}, {67, 123}, {68, 132}, {70, 143},
                         {57, 145}, {58, 134}, {60, 124}};
    FILL(bone, dens, .body = 0.24f, .ramp = 2.5f, .rim = 0.2f, .rim_width = 1.8f);
    for (int i = 0; i < 6; i++) {
        float y = 149.5f + 16.5f * (float)i,
              x = 57.5f + 0.06f * (y - 150) - 2.5f * sinf((float)i * 0.6f);
        const Spot body[] = {{x, y},          {x + 7, y - 0.3f},   {x + 13.5f, y + 0.8f},
                             {x + 13, y + 6}, {x + 14, y + 12},    {x + 7, y + 11.4f},
                             {x, y + 11},     {x + 0.6f, y + 5.5f}};
        FILL(bone, body, .body = 0.2f, .ramp = 2.5f, .rim = 0.22f, .rim_width = 1.7f);
        const Spot facet[] = {{x - 1, y - 2},  {x - 4, y - 5},  {x - 9, y - 1},
                              {x - 11, y + 9}, {x - 7, y + 13}, {x - 2, y + 9}};
        FILL(bone, facet, .body = 0.13f, .ramp = 3, .rim = 0.12f, .rim_width = 1.5f);
        const Spot spine[] = {
            {x - 9, y + 1},   {x - 14, y + 1.5f}, {x - 21, y + 6 + 0.8f * (float)i},
            {x - 26, y + 12}, {x - 24, y + 15},   {x - 17, y + 12},
            {x - 9, y + 10}};
        FILL(bone, spine, .body = 0.12f, .ramp = 3, .rim = 0.12f, .rim_width = 1.6f);
    }
    const Spot atlas[] = {{68, 128}, {72, 129}, {73, 134}, {69, 136}, {60, 133},
                          {46, 134}, {36, 137}, {35, 132}, {46, 129}, {58, 128}};
    FILL(bone, atlas, .body = 0.13f, .ramp = 2.5f, .rim = 0.12f, .rim_width = 1.5f);
    const Spot axis[] = {{57, 138}, {48, 137}, {36, 141}, {32, 149}, {40, 150}, {52, 148}};
    FILL(bone, axis, .body = 0.12f, .ramp = 3, .rim = 0.1f, .rim_width = 1.5f);
    const Spot hyoid[] = {{99, 186}, {108, 184}, {114, 188}, {111, 191}, {103, 190}};
    FILL(bone, hyoid, .body = 0.14f, .ramp = 2, .rim = 0.12f, .rim_width = 1.4f);
}

/* What holds the head and what measures it: ear rod, nose rod, a ruler of lead in mm. */
static void draw_apparatus(Film *film, const Patient *patient)
{
    if (patient->has_rods) {
        const Spot ring[] = {AT(Po, -13, 10), AT(Po, -7, 16), AT(Po, -1, 10), AT(Po, -7, 4)};
        film_stroke(film, film->bone, ring, COUNT_OF(ring), true, 1.6f, 0.5f);
        const Spot rod[] = {AT(N_soft, 2, -6), AT(N_soft, 12, -7), AT(N_soft, 34, -8)};
        STROKE(bone, rod, 3.4f, 0.4f);
    }
    if (patient->has_ruler) {
        for (int i = 0; i <= 10; i++) {
            float y = 20 + 5 * (float)i, length = i % 2 == 0 ? 6 : 3.5f;
            const Spot tick[] = {{196, y}, {196 - length, y}};
            STROKE(bone, tick, 0.8f, 1.1f);
        }
        const Spot spine[] = {{196, 19}, {196, 71}};
        STROKE(bone, spine, 0.9f, 1.1f);
    }
}

void draw_head(Film *film, const Patient *patient)
{
    film->patient = patient;
    draw_soft_tissue(film, patient);
    draw_vault(film, patient);
    draw_base(film, patient);
    draw_face(film, patient);
    draw_neck(film);
    draw_lower_jaw(film, patient);
    draw_teeth(film, patient);
    draw_apparatus(film, patient);
    for (int64_t i = 0; i < (int64_t)film->width * film->height; i++) {
        film->bone[i] *= patient->bone;
        film->soft[i] *= patient->soft;
    }
}
