/* Public graphs: both forms, the given order, and what is wrong with a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "compiler/command/remat_graph.h"

static RematRead parse(const char *text, RematGraph *result, const char **error, Arena *arena)
{
    *error = "";
    return parse_remat_graph(text, strlen(text), "g.json", result, error, arena);
}

/*  a -> c    in file order c, a, b, d; generations: a b | c d
 *  b -> d                                                                                       */
static void generations_in_node_order(void **state)
{
    static const char text[] =
        "{\"nodes\": [{\"id\": 7, \"name\": \"c\", \"cost_ram\": 30, \"cost_cpu\": 3},"
        " {\"id\": 1, \"name\": \"a\", \"cost_ram\": 10, \"cost_cpu\": 1.5},"
        " {\"id\": 2, \"name\": \"b\", \"cost_ram\": 20, \"cost_cpu\": 2},"
        " {\"id\": 3, \"name\": \"d\", \"cost_ram\": 40, \"cost_cpu\": 4}],"
        " \"links\": [{\"source\": 2, \"target\": 3}, {\"source\": 1, \"target\": 7},"
        " {\"source\": 1, \"target\": 7}]}";
    static const char *const names[] = {"a", "b", "c", "d"};
    Arena *arena = arena_create();
    const char *error;
    RematGraph read;
    (void)state;

    assert_int_equal(parse(text, &read, &error, arena), REMAT_READ_ok);
    assert_int_equal(read.graph.task_count, 4);
    assert_int_equal(read.link_count, 2);
    for (uint32_t t = 0; t < 4; t++) {
        assert_string_equal(read.names[t], names[t]);
        assert_int_equal(read.graph.bytes[t + 1], 10 * (t + 1));
        assert_true(read.graph.tasks[t].may_repeat);
    }
    assert_int_equal(read.graph.tasks[2].read_count, 1);
    assert_int_equal(read.graph.tasks[2].reads[0], 1);
    assert_int_equal(read.graph.tasks[3].reads[0], 2);
    assert_true(read.cost == 10.5);
    arena_destroy(arena);
}

static void order_of_the_file(void **state)
{
    static const char text[] = "{\"graph\": {\"order\": [0, 2, 1]},"
                               " \"nodes\": [{\"name\": 0, \"out_cost\": 1, \"duration\": 0},"
                               " {\"name\": 1, \"out_cost\": 2, \"duration\": 5},"
                               " {\"name\": 2, \"out_cost\": 3, \"duration\": 6}],"
                               " \"links\": [{\"0\": 0, \"1\": 2}, {\"0\": 2, \"1\": 1}]}";
    Arena *arena = arena_create();
    const char *error;
    RematGraph read;
    (void)state;

    assert_int_equal(parse(text, &read, &error, arena), REMAT_READ_ok);
    assert_string_equal(read.names[1], "2");
    assert_int_equal(read.graph.bytes[2], 3);
    assert_int_equal(read.graph.tasks[2].reads[0], 2);
    arena_destroy(arena);
}

#define NODE(id, bytes) "{\"id\": " id ", \"cost_ram\": " bytes ", \"cost_cpu\": 1}"
#define TWO_NODES       "\"nodes\": [" NODE("0", "1") ", " NODE("1", "1") "]"

static void what_is_wrong_is_said(void **state)
{
    static const struct Case {
        const char *text, *error;
    } cases[] = {
        {"{\"nodes\": [}", "g.json:1:12: not JSON: "},
        {"{\"nodes\": 1, \"nodes\": 2}", "not JSON: duplicate object key"},
        {"[]", "g.json: an object with nodes and links is needed"},
        {"{}", "nodes: a list of nodes is needed"},
        {"{\"nodes\": []}", "nodes: a list of nodes is needed"},
        {"{\"nodes\": [1]}", "nodes[0]: an object is needed"},
        {"{\"nodes\": [{}]}", "nodes[0]: an \"id\" is needed"},
        {"{\"nodes\": [{\"id\": 1.5}]}", "nodes[0]: an \"id\" is needed"},
        {"{\"nodes\": [{\"id\": 1}]}", "nodes[0]: neither \"cost_ram\" nor \"out_cost\""},
        {"{\"nodes\": [" NODE("0", "-1") "]}", "nodes[0].cost_ram: a number from 0 to 2^53"},
        {"{\"nodes\": [" NODE("0", "1e300") "]}", "nodes[0].cost_ram: a number from 0 to 2^53"},
        {"{\"nodes\": [" NODE("0", "\"8\"") "]}", "nodes[0].cost_ram: a number from 0 to 2^53"},
        {"{\"nodes\": [" NODE("0", "0.5") "]}", "nodes[0]: its memory is 0.5"},
        {"{\"nodes\": [" NODE("4", "1") ", " NODE("4", "1") "]}", "id 4 is that of nodes[0] too"},
        {"{" TWO_NODES "}", "links: a list of links is needed"},
        {"{" TWO_NODES ", \"links\": [3]}", "links[0]: an object is needed"},
        {"{" TWO_NODES ", \"links\": [{\"source\": 9, \"target\": 1}]}", "links[0].source: the id"},
        {"{" TWO_NODES ", \"links\": [{\"source\": 0}]}", "links[0].target: the id of a node"},
        {"{" TWO_NODES ", \"links\": [{\"0\": 1, \"1\": 1}]}", "links[0]: node 1 reads itself"},
        {"{" TWO_NODES ", \"links\": [{\"0\": 1, \"1\": 0}, {\"0\": 0, \"1\": 1}]}",
         "is behind a circle of nodes"},
        {"{" TWO_NODES ", \"links\": [], \"graph\": {\"order\": [0]}}", "a list of all 2 nodes"},
        {"{" TWO_NODES ", \"links\": [], \"graph\": {\"order\": [0, 5]}}",
         "graph.order[1]: the id"},
        {"{" TWO_NODES ", \"links\": [], \"graph\": {\"order\": [1, 1]}}", "node 1 is there twice"},
        {"{" TWO_NODES ", \"links\": [{\"0\": 0, \"1\": 1}], \"graph\": {\"order\": [1, 0]}}",
         "node 1 comes before node 0, which it reads"},
    };
    (void)state;

    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        Arena *arena = arena_create();
        const char *error;
        RematGraph read;
        assert_int_equal(parse(cases[k].text, &read, &error, arena), REMAT_READ_content);
        if (strstr(error, cases[k].error) == NULL)
            fail_msg("case %zu says \"%s\", not \"%s\"", k, error, cases[k].error);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations_in_node_order),
        cmocka_unit_test(order_of_the_file),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
