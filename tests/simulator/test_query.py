"""The query language and paging of the arrays, over the wire (CP §4)."""

from urllib.parse import quote

import pytest

from replctl.simulator.query import BadQuery, Field, Relation, Schema, parse

ROWS = [
    {
        "id": "a",
        "name": "Ledger",
        "size": 1,
        "flag": True,
        "note": None,
        "at": "2030-01-01T00:00:00.000+00:00",
    },
    {
        "id": "b",
        "name": "orders",
        "size": 20,
        "flag": False,
        "note": "x",
        "at": "2030-01-02T00:00:00.000+00:00",
    },
    {
        "id": "c",
        "name": "mail",
        "size": 3,
        "flag": True,
        "note": "y(1)",
        "at": None,
        "data": {"s": [{"k": "v"}]},
    },
]
KINDS = {"name": "name", "size": "number", "flag": "bool", "at": "time", "data": "json", "note": "text"}
SCHEMA = Schema(
    "thing",
    {
        "id": Field(lambda r: r["id"]),
        "tags": Field(lambda r: ["p", r["id"]], kind="json"),
        "hidden": Field(lambda r: 1, kind="json", filterable=False),
        "late": Field(lambda r: 1, since=(4,)),
        **{name: Field(lambda r, name=name: r.get(name), kind=kind) for name, kind in KINDS.items()},
    },
    {
        "others": Relation(lambda: SCHEMA, lambda r: ROWS[:2]),
        "next": Relation(lambda: SCHEMA, lambda r: ROWS[2] if r["id"] == "a" else None, many=False),
    },
)


def select(text):
    query = parse(SCHEMA, (3,), text, None, False)
    return [row["id"] for row in ROWS if all(test(row) for test in query.tests)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("id=eq.a", "a"),
        ("id=neq.a", "bc"),
        ("name=eq.ledger", "a"),
        ("size=gt.3", "b"),
        ("size=gte.3", "bc"),
        ("size=lt.3", "a"),
        ("size=lte.3.0", "ac"),
        ("flag=eq.TRUE", "ac"),
        ("flag=is.true", "ac"),
        ("note=is.null", "a"),
        ("note=not.is.null", "bc"),
        ("note=eq.x", "b"),
        ('note=in.("x","y(1)")', "bc"),
        ("id=in.(a,c,zz)", "ac"),
        ("id=not.in.(a,c)", "b"),
        ("name=ilike.*L*", "ac"),
        ("name=ilike.orders", "b"),
        ("name=not.ilike.*e*", "c"),
        ("tags=cs.{b}", "b"),
        ("tags=cd.{p,c}", "c"),
        ("at=gt.2030-01-01T12:00:00Z", "b"),
        ("at=lt.2030-01-01T12:00:00%2B00:00", "a"),
        ("data->s->0->>k=eq.v", "c"),
        ("size=gt.1&flag=eq.true", "c"),
        ("or=(id.eq.a,size.gt.10)", "ab"),
        ("and=(flag.eq.true,or(id.eq.a,id.eq.b))", "a"),
        ("not.or=(id.eq.a,id.eq.b)", "c"),
        ("and=(not.or(id.eq.a,id.eq.b),flag.eq.true)", "c"),
        ("and=(id.not.in.(a,b),flag.eq.true)", "c"),
    ],
)
def test_filters_select(text, ids):
    assert "".join(select(text)) == ids


@pytest.mark.parametrize(
    "text",
    [
        "select=nothing",
        "select=id,late",
        "select=others(id,nothing)",
        "select=others(id",
        "nothing=eq.1",
        "late=eq.1",
        "hidden=eq.1",
        "id=is.about",
        "id=like.a",
        "id=a",
        "size=gt.many",
        "flag=eq.perhaps",
        "at=lt.yesterday",
        "id=in.a,b",
        "or=id.eq.a",
        "or=(id)",
        "order=nothing",
        "order=id.sideways",
        "others=eq.1",
    ],
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(BadQuery):
        parse(SCHEMA, (3,), text, None, False)


def build(text, row=0):
    return parse(SCHEMA, (3,), text, None, False).build(ROWS[row])


def test_the_default_selection_is_the_id_alone():
    assert build("") == {"id": "a"}


def test_relations_come_with_ids_or_with_what_is_named():
    assert build("select=others")["others"] == [{"id": "a"}, {"id": "b"}]
    assert build("select=id,others(id,name),next(size)") == {
        "id": "a",
        "others": [{"id": "a", "name": "Ledger"}, {"id": "b", "name": "orders"}],
        "next": {"size": 3},
    }
    assert build("select=next(id)", row=1) == {"next": None}


def test_a_star_is_every_own_field_of_the_release():
    assert set(build("select=*")) == {"id", "tags", "hidden", *KINDS}


# Over the wire


@pytest.fixture
def many(open_world):
    return open_world(replications=250)


def ids(world, query, **headers):
    return world["east"].call("GET", f"replication_session?{query}", headers=headers)


def test_a_page_is_a_hundred_unless_asked(many):
    answer = ids(many, "order=id")
    assert (answer.status, len(answer.json)) == (206, 100)
    assert answer.headers["content-range"] == "0-99/250"


def test_the_last_page_ends_at_the_end(many):
    answer = ids(many, "order=id&offset=200&limit=100")
    assert (answer.status, len(answer.json)) == (206, 50)
    assert answer.headers["content-range"] == "200-249/250"


def test_everything_in_one_page_is_200(many):
    answer = ids(many, "order=id&limit=2000")
    assert (answer.status, len(answer.json)) == (200, 250)
    assert "content-range" not in answer.headers


def test_the_range_header_pages_too(many):
    answer = ids(many, "order=id", Range="100-149")
    assert answer.headers["content-range"] == "100-149/250"
    assert answer.json == ids(many, "order=id&offset=100&limit=50").json


@pytest.mark.parametrize("query", ["offset=250", "offset=9999&limit=1", "limit=0", "limit=-1", "offset=x"])
def test_past_the_end_and_nonsense_are_416(many, query):
    assert ids(many, query).status == 416


@pytest.mark.parametrize("header", ["5", "a-b", "9-3", "bytes=0-9"])
def test_a_malformed_range_is_416(many, header):
    assert ids(many, "order=id", Range=header).status == 416


def test_an_empty_collection_is_200_and_empty(many):
    answer = ids(many, "local_resource_id=eq.nobody")
    assert (answer.status, answer.json) == (200, [])
    assert ids(many, "local_resource_id=eq.nobody&offset=1").status == 416


def test_a_wish_beyond_two_thousand_is_cut(open_world):
    world = open_world(replications=2100)
    answer = ids(world, "order=id&limit=5000")
    assert (answer.status, len(answer.json)) == (206, 2000)
    assert answer.headers["content-range"] == "0-1999/2100"


def test_pages_in_order_of_id_hold_everything_once(many):
    seen = [
        row["id"] for offset in (0, 100, 200) for row in ids(many, f"order=id&offset={offset}&limit=100").json
    ]
    assert len(seen) == len(set(seen)) == 250
    assert seen == sorted(seen)


def test_without_an_order_pages_do_not_fit_together(many):
    seen = [row["id"] for offset in (0, 100, 200) for row in ids(many, f"offset={offset}&limit=100").json]
    assert len(set(seen)) < 250


def test_the_order_can_be_any_field_and_direction(many):
    rows = ids(many, "order=role.desc,last_sync_timestamp&select=role,last_sync_timestamp&limit=2000").json
    keys = [(row["role"] == "Destination", row["last_sync_timestamp"]) for row in rows]
    assert keys == sorted(keys)
    assert rows[0]["role"] == "Source"


def test_filters_over_the_wire(many):
    rows = ids(many, "role=eq.Destination&select=id,role&limit=2000").json
    assert 0 < len(rows) < 125
    assert {row["role"] for row in rows} == {"Destination"}
    assert ids(many, "state=in.(System_Paused,Fractured,Error)&select=id,state").json == []


@pytest.mark.parametrize(
    "query", ["select=id,size", "volumes=eq.1", "storage_element_pairs=eq.1", "flavour=eq.1"]
)
def test_unknown_words_are_400_with_messages(world, query):
    answer = ids(world, query)
    assert answer.status == 400
    assert answer.code == "0xE04040010005"


def test_look_up_by_name_and_by_local_resource(world):
    group = world["west"].get("volume_group?name=eq.LEDGER-VG&select=id,name,volumes(id,name)")
    assert [row["name"] for row in group] == ["ledger-vg"]
    assert len(group[0]["volumes"]) == 2
    session = world["west"].get(f"replication_session?local_resource_id=eq.{group[0]['id']}&select=id,role")
    assert session == [{"id": world.session_id("west"), "role": "Destination"}]


def test_the_name_form_of_an_instance(world):
    assert world["east"].get("volume_group/name:ledger-vg?select=name") == {"name": "ledger-vg"}
    rule = world["east"].get("replication_rule?is_replica=eq.false&select=name,rpo,alert_threshold")[0]
    assert rule == {"name": "dr-5min-east", "rpo": "Five_Minutes", "alert_threshold": 5}
    assert world["east"].get("replication_rule/name:dr-5min-east?select=rpo") == {"rpo": "Five_Minutes"}
    name = quote("name:" + world.session_id("east"))
    assert world["east"].call("GET", f"replication_session/{name}").status == 404


def test_a_query_with_relations_across_resources(world):
    selection = "select=id,remote_system(id,name,state),replication_rule(name,rpo),volume_groups(name)"
    row = world["east"].get(f"replication_session/{world.session_id('east')}?{selection}")
    assert row["remote_system"]["state"] == "OK"
    assert row["replication_rule"]["rpo"] == "Five_Minutes"
    assert row["volume_groups"] == [{"name": "ledger-vg"}]


def test_localized_companions_only_when_selected(world):
    row = world["east"].get(
        f"replication_session/{world.session_id('east')}?select=*,state_l10n,data_transfer_state_l10n"
    )
    assert row["data_transfer_state_l10n"] == "Asynchronous"
    plain = world["east"].get(f"replication_session/{world.session_id('east')}?select=*")
    assert set(row) - set(plain) == {"state_l10n", "data_transfer_state_l10n"}


def test_simple_resources_ignore_filters(world):
    answer = world["east"].get("cluster?select=name&name=eq.nobody&limit=0")
    assert answer == [{"name": "east-cluster"}]
    assert world["east"].get("security_config?select=idle_timeout") == [{"idle_timeout": 3600}]


def test_the_release_of_the_array(world):
    answer = world["east"].get("software_installed?select=release_version&is_cluster=eq.true")
    assert answer == [{"release_version": "4.1.0.0"}]
