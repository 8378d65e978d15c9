/* Both layouts of data sets, and each way in which one can be wrong: named by file, never a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "files.h"
#include "runtime/data/data.h"

static const char *const symbols[29] = {
    "A",   "ANS", "B",   "Me",  "N",  "Or", "Pog", "PNS",  "Pn",  "R",
    "S",   "Ar",  "Co",  "Gn",  "Go", "Po", "LPM", "LIT",  "LMT", "UPM",
    "UIA", "UIT", "UMT", "LIA", "Li", "Ls", "N`",  "Pog`", "Sn",
};

static char *root;

static int set_up(void **state)
{
    (void)state;
    root = make_folder();
    return root == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(root);
    return 0;
}

/* ---- making a data set ----------------------------------------------------------------------- */

static const char senior[] = "Senior Orthodontists", junior[] = "Junior Orthodontists";

static void write_annotation(const char *split, const char *reader, const char *id,
                             const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s/Annotations/Cephalometric Landmarks/%s/%s.json", split, reader,
             id);
    write_text(root, name, text);
}

/* Point k lies at (10 k + dx, 5 k); in an order that is not that of the symbols. `instead`: the
 * text of the landmark number `at`, NULL: none is replaced. */
static void write_points(const char *split, const char *reader, const char *id, double dx, int at,
                         const char *instead)
{
    char text[16384] = "{\"ceph_id\": \"x\", \"extra\": {\"a\": [1]}, \"landmarks\": [";
    for (int i = 0; i < 29; i++) {
        int k = (i * 7 + 3) % 29;
        size_t used = strlen(text);
        if (k == at)
            snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "", instead);
        else
            snprintf(text + used, sizeof text - used,
                     "%s{\"landmark_id\": \"%d\", \"title\": \"T\", \"symbol\": \"%s\", "
                     "\"value\": {\"x\": %g, \"y\": %d}}",
                     i > 0 ? ", " : "", i, symbols[k], 10 * k + dx, 5 * k);
    }
    strcat(text, "], \"dataset_name\": \"d\", \"labeled_at\": null}");
    write_annotation(split, reader, id, text);
}

static void write_picture(const char *name)
{
    static const uint8_t rows[512 * 256] = {9, 8, 7};
    Buffer png = make_png(512, 256, 8, 0, rows, 512, 256);
    write_file(root, name, png.bytes, png.size);
    free(png.bytes);
}

static void write_item(const char *id)
{
    char name[256];
    snprintf(name, sizeof name, "train/Cephalograms/%s.png", id);
    write_picture(name);
    write_points("train", senior, id, 0, -1, NULL);
    write_points("train", junior, id, 3, -1, NULL);
}

static void write_sizes(const char *rows)
{
    char text[1024];
    snprintf(text, sizeof text,
             "\xEF\xBB\xBF"
             "cephalogram_id,machine,pixel_size,image_format,mode\r\n%s",
             rows);
    write_text(root, "cephalogram_machine_mappings.csv", text);
}

static void expect_open(Dataset *set, Annotation annotation, bool skip_bad)
{
    Error error = {0};
    if (!dataset_open(
            set, root, "train",
            &(DataRequest){.annotation = annotation, .point_count = 29, .skip_bad = skip_bad},
            &error))
        fail_msg("%s: %s", error.what, error.why);
}

static void expect_error(const char *what, const char *why)
{
    Dataset set;
    Error error = {0};
    assert_false(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 29, .skip_bad = false},
        &error));
    assert_int_equal(error.status, ERROR_FILES);
    if (strstr(error.what, what) == NULL || strstr(error.why, why) == NULL)
        fail_msg("says \"%s: %s\", not \"%s: %s\"", error.what, error.why, what, why);
    assert_null(set.items);
}

static int warnings_with(const Dataset *set, const char *text)
{
    int count = 0;
    for (int32_t i = 0; i < set->warning_count; i++)
        count += strstr(set->warnings[i], text) != NULL;
    return count;
}

/* ---- Aariz ----------------------------------------------------------------------------------- */

static void test_aariz(void **state)
{
    (void)state;
    write_item("b");
    write_item("a");
    write_picture("train/Cephalograms/.hidden.png");
    write_text(root, "train/Cephalograms/Thumbs.db", "x");
    write_sizes("a,\"Maker, Model\",0.125,png,L\r\nother,m,0.1,png,L\r\nb,Second,0.089,png,L\r\n");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, false);
    assert_int_equal(set.warning_count, 0);
    assert_int_equal(set.item_count, 2);
    assert_int_equal(set.point_count, 29);
    assert_string_equal(set.items[0].id, "a");
    assert_string_equal(set.items[0].device, "Maker, Model");
    assert_true(set.items[0].mm_is_known && set.items[0].mm_per_pixel == 0.125f);
    assert_true(set.items[1].mm_per_pixel == 0.089f);
    for (int k = 0; k < 29; k++) {
        assert_string_equal(set.symbols[k], symbols[k]);
        Point point = set.items[1].points[k];
        assert_true(point.x == 10 * (float)k + 1.5f && point.y == 5 * (float)k);
        assert_true(point.weight == 1);
    }
    dataset_close(&set);
}

static void test_truths(void **state)
{
    (void)state;
    write_item("a");
    static const struct {
        Annotation annotation;
        float x;
    } cases[] = {{ANNOTATION_mean, 11.5f},
                 {ANNOTATION_senior, 10},
                 {ANNOTATION_junior, 13},
                 {ANNOTATION_ceil_mean, 12}};
    for (int i = 0; i < 4; i++) {
        Dataset set;
        expect_open(&set, cases[i].annotation, false);
        assert_true(set.items[0].points[1].x == cases[i].x);
        assert_true(set.items[0].points[1].y == 5);
        dataset_close(&set);
    }
}

/* The reader that is not asked for need not exist. */
static void test_one_reader(void **state)
{
    (void)state;
    write_picture("train/Cephalograms/a.png");
    write_points("train", junior, "a", 0, -1, NULL);
    Dataset set;
    expect_open(&set, ANNOTATION_junior, false);
    dataset_close(&set);
    expect_error("senior", "");
}

static void test_lower_case_and_extensions(void **state)
{
    (void)state;
    static const char *const pictures[] = {"a.png", "b.JPG", "c.jpeg", "d.Bmp"};
    for (int i = 0; i < 4; i++) {
        char name[256];
        snprintf(name, sizeof name, "TRAIN/cephalograms/%s", pictures[i]);
        write_picture(name);
        for (int r = 0; r < 2; r++) {
            snprintf(name, sizeof name,
                     "TRAIN/annotations/cephalometric landmarks/%s orthodontists/%c.json",
                     r == 0 ? "senior" : "junior", "abcd"[i]);
            write_text(root, name,
                       "{\"landmarks\": [{\"symbol\": \"S\", \"value\": "
                       "{\"x\": 1, \"y\": 2}}]}");
        }
    }
    Dataset set;
    expect_open(&set, ANNOTATION_mean, false);
    assert_int_equal(set.item_count, 4);
    assert_int_equal(warnings_with(&set, "no landmark"), 4 * 2 * 28);
    assert_true(set.items[2].points[10].x == 1 && set.items[2].points[10].weight == 1);
    assert_true(set.items[2].points[9].weight == 0);
    dataset_close(&set);
}

static void test_bad_points(void **state)
{
    (void)state;
    static const struct {
        const char *text, *warning;
    } cases[] = {
        {"{\"symbol\": \"Me\", \"value\": {\"x\": -1, \"y\": 2}}", "Me is not valid"},
        {"{\"symbol\": \"Me\", \"value\": {\"x\": NaN, \"y\": 2}}", "Me is not valid"},
        {"{\"symbol\": \"Me\", \"value\": {\"x\": \"12\", \"y\": 2}}", "Me is not valid"},
        {"{\"symbol\": \"Me\", \"value\": {\"x\": 3}}", "Me is not valid"},
        {"{\"symbol\": \"Me\", \"value\": [3, 4]}", "Me is not valid"},
        {"{\"symbol\": \"Me\"}", "Me is not valid"},
        {"{\"symbol\": \"me\", \"value\": {\"x\": 3, \"y\": 4}}", "no landmark Me"},
        {"{\"symbol\": 5, \"value\": {\"x\": 3, \"y\": 4}}", "no landmark Me"},
        {"null", "no landmark Me"},
        {"[[[[]]]]", "no landmark Me"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_item("a");
        write_points("train", junior, "a", 0, 3, cases[i].text);
        Dataset set;
        expect_open(&set, ANNOTATION_mean, false);
        if (set.items[0].points[3].weight != 0 || warnings_with(&set, cases[i].warning) != 1)
            fail_msg("%s: weight %g, %s", cases[i].text, (double)set.items[0].points[3].weight,
                     set.warning_count > 0 ? set.warnings[0] : "no warning");
        assert_non_null(strstr(set.warnings[0], "Junior Orthodontists/a.json"));
        assert_true(set.items[0].points[4].weight == 1);
        dataset_close(&set);
    }
}

static void test_points_beyond_any_picture(void **state)
{
    (void)state;
    write_item("a");
    write_points("train", junior, "a", 0, 3,
                 "{\"symbol\": \"Me\", \"value\": {\"x\": 1e300, \"y\": 2}}");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, false);
    assert_true(set.items[0].points[3].weight == 0);
    dataset_close(&set);
}

static void test_double_landmark(void **state)
{
    (void)state;
    write_item("a");
    write_points("train", senior, "a", 0, 3,
                 "{\"symbol\": \"A\", \"value\": {\"x\": 700, \"y\": 2}}");
    Dataset set;
    expect_open(&set, ANNOTATION_senior, false);
    assert_int_equal(warnings_with(&set, "landmark A occurs 2 times"), 1);
    assert_int_equal(warnings_with(&set, "no landmark Me"), 1);
    dataset_close(&set);
}

/* Broken annotation files: an error that names the file, or with skip_bad a warning and one item
 * less. */
static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what, *why;
    } cases[] = {
        {"", "a.json is empty", ""},
        {"{\"landmarks\": [", "a.json is not JSON", "line 1"},
        {"{\"landmarks\": {}}", "a.json has no landmarks", "expected"},
        {"[]", "a.json has no landmarks", ""},
        {"\xff\xfe{}", "a.json is not JSON", ""},
        {"{\"a\": 1, \"a\": 2}", "a.json is not JSON", "duplicate"},
    };
    write_item("b");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_item("a");
        write_annotation("train", senior, "a", cases[i].text);
        expect_error(cases[i].what, cases[i].why);
        Dataset set;
        expect_open(&set, ANNOTATION_mean, true);
        assert_int_equal(set.item_count, 1);
        assert_string_equal(set.items[0].id, "b");
        assert_int_equal(warnings_with(&set, cases[i].what), 1);
        assert_int_equal(warnings_with(&set, "left out"), 1);
        dataset_close(&set);
    }
}

static void test_lost_files(void **state)
{
    (void)state;
    write_item("a");
    write_picture("train/Cephalograms/b.png");
    expect_error("Senior Orthodontists/b.json", "no such file");
    write_points("train", senior, "b", 0, -1, NULL);
    write_points("train", junior, "b", 0, -1, NULL);
    write_points("train", junior, "c", 0, -1, NULL);
    expect_error("c.json has no picture", "expected c.png");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, true);
    assert_int_equal(set.item_count, 2);
    assert_int_equal(warnings_with(&set, "c.json has no picture"), 1);
    dataset_close(&set);
}

static void test_double_ids(void **state)
{
    (void)state;
    write_item("a");
    write_picture("train/Cephalograms/a.jpg");
    expect_error("a.png has the same id as", "");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, true);
    assert_int_equal(set.item_count, 1);
    assert_non_null(strstr(set.items[0].image_path, "a.jpg"));
    assert_int_equal(warnings_with(&set, "same id"), 1);
    dataset_close(&set);
}

static void test_pixel_sizes(void **state)
{
    (void)state;
    write_item("a");
    write_item("b");
    write_item("c");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, false);
    assert_int_equal(set.warning_count, 1); /* one for the file, not one an item */
    assert_true(set.items[0].mm_per_pixel == 0.1f && !set.items[0].mm_is_known);
    dataset_close(&set);

    write_sizes("a,m,0.125,png,L\r\na,m,0.2,png,L\r\nb,m,none,png,L\r\n");
    expect_open(&set, ANNOTATION_mean, false);
    assert_true(set.items[0].mm_per_pixel == 0.125f);
    assert_int_equal(warnings_with(&set, ":3: a second row for a"), 1);
    assert_int_equal(warnings_with(&set, ":4: the pixel size \"none\" of b"), 1);
    assert_int_equal(warnings_with(&set, "no pixel size for b: 0.1 mm assumed"), 1);
    assert_int_equal(warnings_with(&set, "no pixel size for c: 0.1 mm assumed"), 1);
    assert_int_equal(set.warning_count, 4);
    dataset_close(&set);

    write_text(root, "cephalogram_machine_mappings.csv", "id,size\na,1\n");
    expect_error("cephalogram_machine_mappings.csv lacks a column", "expected cephalogram_id");
    write_text(root, "cephalogram_machine_mappings.csv", "cephalogram_id,pixel_size\n\"a");
    expect_error("cephalogram_machine_mappings.csv", "line 2");
}

/* Names that are no UTF-8 or hold a line break: read, and shown without harm. */
static void test_strange_names(void **state)
{
    (void)state;
    write_item("na\xffme");
    write_item("two\nlines");
    write_item("r\xc3\xb6ntgen");
    Dataset set;
    expect_open(&set, ANNOTATION_mean, false);
    assert_int_equal(set.item_count, 3);
    dataset_close(&set);
    write_annotation("train", senior, "na\xffme", "");
    write_annotation("train", senior, "two\nlines", "");
    expect_open(&set, ANNOTATION_mean, true);
    assert_int_equal(set.item_count, 1);
    assert_string_equal(set.items[0].id, "r\xc3\xb6ntgen");
    assert_int_equal(warnings_with(&set, "na\\xFFme.json is empty"), 1);
    assert_int_equal(warnings_with(&set, "two\\x0Alines.json is empty"), 1);
    dataset_close(&set);
}

static void test_other_points(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char name[64] = "train/Cephalograms/a.png";
        name[19] = (char)('a' + i);
        write_picture(name);
        const char *text =
            i == 0 ? "{\"landmarks\": [{\"symbol\": \"P2\", \"value\": {\"x\": 1, \"y\": 2}},"
                     "{\"symbol\": \"P1\", \"value\": {\"x\": 3, \"y\": 4}}]}"
                   : "{\"landmarks\": [{\"symbol\": \"P1\", \"value\": {\"x\": 5, \"y\": 6}},"
                     "{\"symbol\": \"P2\", \"value\": {\"x\": 7, \"y\": 8}}]}";
        write_annotation("train", senior, i == 0 ? "a" : "b", text);
    }
    Dataset set;
    Error error = {0};
    assert_true(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 2, .skip_bad = false},
        &error));
    assert_string_equal(set.symbols[0], "P2");
    assert_string_equal(set.symbols[1], "P1");
    assert_true(set.items[1].points[0].x == 7 && set.items[1].points[1].x == 5);
    dataset_close(&set);
    assert_true(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 0, .skip_bad = false},
        &error));
    assert_int_equal(set.point_count, 2);
    dataset_close(&set);
    assert_false(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 29, .skip_bad = false},
        &error));
    assert_string_equal(error.what, "the data set has 2 landmarks, the network expects 29");
    assert_non_null(strstr(error.hint, "landmarks=2"));
}

static void test_no_data_set(void **state)
{
    (void)state;
    expect_error("no data set at", "no known layout");
    write_text(root, "train/Cephalograms/readme.txt", "nothing here");
    expect_error("no usable pictures", "");
    Dataset set;
    Error error = {0};
    assert_false(dataset_open(
        &set, "data_test_missing", "train",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 29, .skip_bad = false},
        &error));
    assert_string_equal(error.why, "no such folder");
    error = (Error){0};
    assert_false(dataset_open(
        &set, root, "valid",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 29, .skip_bad = false},
        &error));
    assert_non_null(strstr(error.hint, "/valid/Cephalograms"));
}

/* ---- ISBI ------------------------------------------------------------------------------------ */

static void write_isbi(const char *folder, const char *id, int dx, int lines, const char *line_3)
{
    char text[2048] = "", name[128];
    for (int k = 0; k < lines; k++) {
        if (k == 2 && line_3 != NULL)
            sprintf(text + strlen(text), "%s\r\n", line_3);
        else
            sprintf(text + strlen(text), "%d,%d\r\n", 100 * k + dx, 50 * k);
    }
    strcat(text, "1\r\n2\r\n1\r\n");
    snprintf(name, sizeof name, "%s/%s.txt", folder, id);
    write_text(root, name, text);
}

static void test_isbi(void **state)
{
    (void)state;
    write_picture("RawImage/TrainingData/002.bmp");
    write_picture("RawImage/TrainingData/001.bmp");
    write_picture("RawImage/Test1Data/151.bmp");
    write_picture("RawImage/Test2Data/301.bmp");
    static const char *const ids[] = {"001", "002", "151", "301"};
    for (int i = 0; i < 4; i++) {
        write_isbi("AnnotationsByMD/400_senior", ids[i], 0, 19, NULL);
        write_isbi("AnnotationsByMD/400_junior", ids[i], 5, 19, NULL);
    }
    Dataset set;
    Error error = {0};
    assert_true(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 19, .skip_bad = false},
        &error));
    assert_int_equal(set.item_count, 2);
    assert_int_equal(set.point_count, 19);
    assert_string_equal(set.items[0].id, "001");
    assert_string_equal(set.symbols[0], "S");
    assert_string_equal(set.symbols[18], "Ar");
    assert_true(set.items[1].points[3].x == 302.5f && set.items[1].points[3].y == 150);
    assert_true(set.items[0].mm_per_pixel == 0.1f && set.items[0].mm_is_known);
    dataset_close(&set);
    static const struct {
        const char *split, *id;
    } splits[] = {{"test1", "151"}, {"valid", "151"}, {"test2", "301"}, {"test", "301"}};
    for (int i = 0; i < 4; i++) {
        assert_true(dataset_open(&set, root, splits[i].split,
                                 &(DataRequest){.annotation = ANNOTATION_ceil_mean,
                                                .point_count = 19,
                                                .skip_bad = false},
                                 &error));
        assert_string_equal(set.items[0].id, splits[i].id);
        assert_true(set.items[0].points[1].x == 103);
        dataset_close(&set);
    }
    assert_false(dataset_open(
        &set, root, "test3",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 19, .skip_bad = false},
        &error));
    assert_non_null(strstr(error.what, "no split test3"));
    expect_error("has 19 landmarks, the network expects 29", "");
}

static void test_isbi_faults(void **state)
{
    (void)state;
    write_picture("rawimage/trainingdata/001.bmp");
    write_picture("rawimage/trainingdata/002.bmp");
    write_isbi("400_senior", "001", 0, 19, NULL);
    write_isbi("400_senior", "002", 0, 19, NULL);
    static const struct {
        int lines;
        const char *line_3, *why;
    } cases[] = {{10, NULL, "13 lines, expected 19"},
                 {19, "7", "line 3"},
                 {19, "nan,2", "line 3"},
                 {19, "\"7,8", "line"}};
    Dataset set;
    Error error = {0};
    for (int i = 0; i < 4; i++) {
        write_isbi("400_senior", "002", 0, cases[i].lines, cases[i].line_3);
        error = (Error){0};
        assert_false(dataset_open(
            &set, root, "train",
            &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 19, .skip_bad = false},
            &error));
        assert_non_null(strstr(error.what, "002.txt"));
        if (strstr(error.why, cases[i].why) == NULL)
            fail_msg("says \"%s\", not \"%s\"", error.why, cases[i].why);
        error = (Error){0};
        assert_true(dataset_open(
            &set, root, "train",
            &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 19, .skip_bad = true},
            &error));
        assert_int_equal(set.item_count, 1);
        dataset_close(&set);
    }
    assert_false(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 19, .skip_bad = false},
        &error));
    assert_non_null(strstr(error.why, "400_junior"));
    write_isbi("400_senior", "002", 0, 19, "-4,5");
    error = (Error){0};
    assert_true(dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 19, .skip_bad = false},
        &error));
    assert_true(set.items[1].points[2].weight == 0);
    assert_int_equal(warnings_with(&set, "is not valid"), 1);
    dataset_close(&set);
}

/* ---- duplicates ------------------------------------------------------------------------------ */

static void write_grey(const char *name, int format, uint8_t value)
{
    uint8_t pixels[6 * 4 * 3];
    for (int i = 0; i < 72; i++)
        pixels[i] = (uint8_t)(value + i / 3);
    uint8_t grey[24];
    for (int i = 0; i < 24; i++)
        grey[i] = pixels[3 * i];
    Buffer file = format == 0   ? make_bmp(6, 4, pixels)
                  : format == 1 ? make_png(6, 4, 8, 2, pixels, 18, 4)
                                : make_png(6, 4, 8, 0, grey, 6, 4);
    write_file(root, name, file.bytes, file.size);
    free(file.bytes);
}

static bool add_line(void *context, const char *line)
{
    strcat(context, line);
    strcat(context, "\n");
    return true;
}

/* Three formats of one picture in two splits, another picture twice, one alone, one broken. */
static void test_duplicates(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        write_item(ids[i]);
        write_points("valid", senior, ids[i], 0, -1, NULL);
        write_points("valid", junior, ids[i], 0, -1, NULL);
    }
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/Cephalograms/%s.png", ids[i]);
        write_grey(name, i % 3, (uint8_t)(i == 3 ? 0 : 10 * i)); /* d is a */
        snprintf(name, sizeof name, "valid/Cephalograms/%s.png", ids[i]);
        write_grey(name, (i + 1) % 3, (uint8_t)(i == 1 ? 40 : 100 + i)); /* b is train's e */
    }
    write_text(root, "train/Cephalograms/c.png", "broken");
    Dataset sets[2];
    expect_open(&sets[0], ANNOTATION_mean, false);
    Error error = {0};
    assert_true(dataset_open(
        &sets[1], root, "valid",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 29, .skip_bad = false},
        &error));

    char text[1024] = "";
    assert_true(dataset_find_duplicates((const Dataset *const[]){&sets[0], &sets[1]}, 2, add_line,
                                        text, &error));
    assert_non_null(strstr(text, "equal pictures: train/a = train/d\n"));
    assert_non_null(strstr(text, "equal pictures: train/e = valid/b\n"));
    assert_int_equal(strlen(text), 2 * strlen("equal pictures: train/a = train/d\n"));
    dataset_close(&sets[0]);
    dataset_close(&sets[1]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_aariz),
        CASE(test_truths),
        CASE(test_one_reader),
        CASE(test_lower_case_and_extensions),
        CASE(test_bad_points),
        CASE(test_points_beyond_any_picture),
        CASE(test_double_landmark),
        CASE(test_bad_files),
        CASE(test_lost_files),
        CASE(test_double_ids),
        CASE(test_pixel_sizes),
        CASE(test_strange_names),
        CASE(test_other_points),
        CASE(test_no_data_set),
        CASE(test_isbi),
        CASE(test_isbi_faults),
        CASE(test_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
