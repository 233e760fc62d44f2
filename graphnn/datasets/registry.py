"""What `datasets.load` can load: the files of each data set, their SHA-256, home, licence, and whom to cite."""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """A file that a data set consists of: its name, how many bytes it has, and their SHA-256."""

    name: str
    n_bytes: int
    sha256: str


class Entry(NamedTuple):
    """A data set.

    folder: where its files lie, below the folder that $GRAPHNN_DATA names, and in the cache
    home: the address its files are at, ending in "/", or that of an archive with all of them in it

    >>> print(REGISTRY["esol"])
    esol: solubility of 1128 molecules in water, log mol/l
      files    esol/delaney-processed.csv
      home     https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/
      licence  Repository of deepchem MIT; the values are supporting information of the paper and state none
      cite     J. S. Delaney, J. Chem. Inf. Comput. Sci. 44 (2004) 1000; Z. Wu et al., Chem. Sci. 9 (2018) 513
    """

    name: str
    holds: str
    folder: str
    home: str
    files: tuple[File, ...]
    licence: str
    citation: str

    def __str__(self) -> str:
        files = ", ".join(f"{self.folder}/{file.name}" for file in self.files)
        return (
            f"{self.name}: {self.holds}\n  files    {files}\n  home     {self.home}\n  licence  {self.licence}\n"
            f"  cite     {self.citation}"
        )


ENTRIES = (
    Entry(
        name="cora",
        holds="citations of 2708 papers, 1433 words, 7 fields, the public split",
        folder="planetoid",
        home="https://raw.githubusercontent.com/kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data/",
        files=(
            File("ind.cora.x", 22119, "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab"),
            File("ind.cora.y", 4054, "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1"),
            File("ind.cora.tx", 148025, "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"),
            File("ind.cora.ty", 28135, "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"),
            File("ind.cora.allx", 257305, "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"),
            File("ind.cora.ally", 47959, "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"),
            File("ind.cora.graph", 59847, "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"),
            File("ind.cora.test.index", 5000, "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"),
        ),
        licence="Repository MIT (Zhilin Yang); the corpus states none",
        citation="Z. Yang, W. Cohen & R. Salakhutdinov, ICML 2016; P. Sen et al., AI Magazine 29(3) (2008)",
    ),
    Entry(
        name="cora-npz",
        holds="the same papers with names of papers and fields, and directed",
        folder="gnn_benchmark",
        home="https://raw.githubusercontent.com/shchur/gnn-benchmark/1e72912a0810cdf27ae54fd589a3b43358a2b161/data/npz/",
        files=(File("cora.npz", 540580, "068e22d90c3849b4057dfb05851741428992af058efcd4e7ebb4186f3d581de2"),),
        licence="Repository MIT (Maximilian Mumme, Oleksandr Shchur)",
        citation="O. Shchur et al., arXiv:1811.05868 (2018); A. Bojchevski & S. Guennemann, ICLR 2018",
    ),
    Entry(
        name="esol",
        holds="solubility of 1128 molecules in water, log mol/l",
        folder="esol",
        home="https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/",
        files=(
            File("delaney-processed.csv", 96699, "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189"),
        ),
        licence="Repository of deepchem MIT; the values are supporting information of the paper and state none",
        citation="J. S. Delaney, J. Chem. Inf. Comput. Sci. 44 (2004) 1000; Z. Wu et al., Chem. Sci. 9 (2018) 513",
    ),
    Entry(
        name="esol-original",
        holds="the 1144 molecules of the paper's supporting information",
        folder="esol",
        home="https://raw.githubusercontent.com/HIPS/neural-fingerprint/d26dae3a293a736261fee307b28b37e548c5f218/data/2015-05-24-delaney/",
        files=(
            File(
                "ci034243xsi20040112_053635.txt",
                60056,
                "ccfed915a3ece5870c84a76915f4e143c4f78da246865ac6395a9eac638b5121",
            ),
        ),
        licence="Repository MIT (President and Fellows of Harvard College); the measurements state none",
        citation="J. S. Delaney, J. Chem. Inf. Comput. Sci. 44 (2004) 1000",
    ),
    Entry(
        name="malaria",
        holds="efficacy of 9999 molecules against malaria, log EC50",
        folder="neural_fingerprint",
        home="https://raw.githubusercontent.com/HIPS/neural-fingerprint/d26dae3a293a736261fee307b28b37e548c5f218/data/2015-06-03-malaria/",
        files=(
            File("malaria-processed.csv", 735229, "2cea95027569d94a05093f0e1ea9ae174b721298380d1dfc33f2eb802a0cf008"),
        ),
        licence="Repository MIT (President and Fellows of Harvard College); the measurements state none",
        citation="F.-J. Gamo et al., Nature 465 (2010) 305; D. Duvenaud et al., NIPS 2015",
    ),
    Entry(
        name="cep",
        holds="photovoltaic efficiency of 29 978 molecules, %",
        folder="neural_fingerprint",
        home="https://raw.githubusercontent.com/HIPS/neural-fingerprint/d26dae3a293a736261fee307b28b37e548c5f218/data/2015-06-02-cep-pce/",
        files=(File("cep-processed.csv", 2119766, "99c3def57a412e0ac3922194d0605b6a8a9056938706a44bc4ba1d35fe8bc8c0"),),
        licence="Repository MIT (President and Fellows of Harvard College); the measurements state none",
        citation="J. Hachmann et al., J. Phys. Chem. Lett. 2 (2011) 2241; D. Duvenaud et al., NIPS 2015",
    ),
    Entry(
        name="mutag",
        holds="188 molecules, mutagenic or not",
        folder="TUDataset/MUTAG",
        home="https://www.chrsmrrs.com/graphkerneldatasets/MUTAG.zip",
        files=(
            File("MUTAG_A.txt", 76940, "d9656ca7493f3445d737c711710bb36fd432dddd1c0ea32e1d4713c86ebd28e2"),
            File(
                "MUTAG_graph_indicator.txt", 11532, "7d520a4d6c7961c0cdeabe076d8fe27e795b6d373485c9a2b744987e560a2056"
            ),
            File("MUTAG_graph_labels.txt", 439, "a1518ea39ba3426bd42f57396b9c4baffe68e9adc718caeeab0119c6591a5f2c"),
            File("MUTAG_node_labels.txt", 6742, "678f429965490e84dd27713017538c995fc05d1621beac910848b600015ee863"),
            File("MUTAG_edge_labels.txt", 14884, "4669ce755075ff86c3240709345745886400908fa637a49310459b9c267b3e56"),
        ),
        licence='The collection states none ("for research")',
        citation="A. K. Debnath et al., J. Med. Chem. 34 (1991) 786; C. Morris et al., arXiv:2007.08663 (2020)",
    ),
    Entry(
        name="mnist",
        holds="70 000 images of handwritten digits",
        folder="mnist",
        home="https://ossci-datasets.s3.amazonaws.com/mnist/",
        files=(
            File(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            File(
                "train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            File(
                "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            File("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        licence="None by the authors; commonly given as CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio & P. Haffner, Proc. IEEE 86 (1998) 2278",
    ),
    Entry(
        name="humannet",
        holds="network of 7939 genes, 47 595 weighted links",
        folder="networks",
        home="https://raw.githubusercontent.com/idekerlab/pyNBS/052e2bab289fa8ca13667d0fb8f9cf8dcc2cf400/Examples/Example_Data/Network_Files/",
        files=(
            File("HumanNet90_Symbol.txt", 1256607, "fb9a8d0d9d243e48e617a197147ab699ced3b5465f1650b2d6d27fbcd0062a5c"),
        ),
        licence="Repository MIT (Justin Huang); the terms of HumanNet are not restated there",
        citation="I. Lee et al., Genome Research 21 (2011) 1109; J. K. Huang et al., Bioinformatics 34 (2018) 2859",
    ),
    Entry(
        name="gwas",
        holds="11 sets of genes found with a disease",
        folder="networks",
        home="https://raw.githubusercontent.com/idekerlab/Network_Evaluation_Tools/4c0017e3cc3fa7767f5172cea76b4f3f7d8d0b0b/Data/",
        files=(
            File(
                "GWAS_Catalog_genesets.txt", 17980, "f92d41323d3cbe15653b693f6c47c56a3f456d0db261009e7e030c1fbfcaab8a"
            ),
        ),
        licence="Repository MIT; the terms of the GWAS Catalog are not restated there",
        citation="J. K. Huang et al., Cell Systems 6 (2018) 484",
    ),
    Entry(
        name="ovarian",
        holds="mutated genes of 376 patients with ovarian cancer",
        folder="networks",
        home="https://raw.githubusercontent.com/idekerlab/pyNBS/052e2bab289fa8ca13667d0fb8f9cf8dcc2cf400/Examples/Example_Data/Mutation_Files/",
        files=(File("OV_sm_data.txt", 422476, "b7bb24af6debbde585a2d5326374b650f926377d07c3ef7535549dc2a5041ed8"),),
        licence="Repository MIT (Justin Huang); the terms of TCGA are not restated there",
        citation="TCGA Research Network, Nature 474 (2011) 609; M. Hofree et al., Nature Methods 10 (2013) 1108",
    ),
    Entry(
        name="netscience",
        holds="1589 authors on network science, 2742 weighted ties",
        folder="networks",
        home="http://gephi.github.io/datasets/",
        files=(File("netscience.gml.zip", 27786, "97fa00a54a20a1dbf10797cb75aaec46ff843a0cd843da21ae030374ce33ad4e"),),
        licence="The repository states none",
        citation="M. E. J. Newman, Phys. Rev. E 74 (2006) 036104",
    ),
)

REGISTRY = {entry.name: entry for entry in ENTRIES}
